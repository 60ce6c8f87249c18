"""Background: the photo where nothing moves, and no trace of the object where it has left."""

import numpy as np
import pytest
from scipy import ndimage

from flows import masks, motions
from mg_jax.models.patch import background, layers
from mg_jax.models.patch.matting import Matte
from mg_jax.models.patch.motion import LayeredMotion

H, W = 96, 128
Y, X = np.mgrid[:H, :W]
OBJECT = (np.abs(Y - 48) < 14) & (np.abs(X - 40) < 14)
TILE = np.random.default_rng(0).uniform(-1, 0, (16, 16, 3)).astype(np.float32)
TILED = TILE[Y % 16, X % 16]
PHOTO = np.where(OBJECT[..., None], np.float32(1), TILED)
GRID = (H // 2, W // 2)


def motion(words, mask=OBJECT):
    flow = motions.field(motions.parse(words), mask)
    moving = masks.solid(flow)
    return LayeredMotion(flow, moving, masks.destination(flow), layers.order(moving))


def behind(words, drawn=None):
    return of(motion(words), drawn)


def of(asked, drawn=None):
    cut = Matte(asked.moving.astype(np.float32), PHOTO)
    return background.behind(PHOTO, cut, asked, GRID, drawn)


@pytest.mark.parametrize("seed", [None, 0])
@pytest.mark.parametrize("words", ["translate dx=40", "rotate degrees=40", "scale factor=0.5"])
def test_the_object_is_gone_and_its_background_goes_on(words, seed):
    """A repeating one goes on in one way, whatever is drawn."""
    drawn = None if seed is None else np.random.default_rng(seed)
    found = behind(words, drawn)
    uncovered = motion(words).moving & ~motion(words).landed
    assert found.left[uncovered].all()
    np.testing.assert_allclose(found.picture[uncovered], TILED[uncovered], atol=1e-3)


def test_far_from_the_motion_it_is_the_photo():
    found = behind("translate dx=40")
    far = (np.abs(Y - 48) > 20) | (X < 20) | (X > 110)
    assert not found.left[far].any()
    np.testing.assert_array_equal(found.picture[far], PHOTO[far])


def test_what_hardly_moves_stays_at_its_border():
    """The end of a joint: what would be filled in there shows as a line round the sheet."""
    border = OBJECT & ~ndimage.binary_erosion(OBJECT)
    for words, stays in (("translate dx=0.9", True), ("translate dx=1.1", False)):
        found = behind(words)
        assert (found.picture[border] == PHOTO[border]).all() == stays
        assert (found.left | found.hidden)[border].any() != stays


def test_behind_where_the_object_lands_there_is_no_need():
    found = behind("translate dx=8")
    middle = (np.abs(Y - 48) < 6) & (np.abs(X - 44) < 6)
    assert not found.left[middle].any()


def test_what_is_unknown_shows_nothing_of_itself():
    others = np.where(OBJECT[..., None], np.float32(-0.3), PHOTO)
    wanted = ~motion("translate dx=40").landed
    one, other = (
        background.continued(photo, OBJECT, wanted, GRID).picture for photo in (PHOTO, others)
    )
    uncovered = OBJECT & wanted
    np.testing.assert_array_equal(one[uncovered], other[uncovered])


def test_what_is_known_stays_and_what_is_not_wanted_is_hidden():
    wanted = Y < 48
    found = background.continued(PHOTO, OBJECT, wanted, GRID)
    np.testing.assert_array_equal(found.picture[~OBJECT], PHOTO[~OBJECT])
    assert (found.picture[OBJECT] < 0.5).all()
    np.testing.assert_array_equal(found.hidden, OBJECT & (Y >= 48))


def test_what_shows_through_a_rim_is_gone_too():
    """The object's soft edge lies outside its mask."""
    asked = motion("translate dx=40")
    edge = ndimage.binary_dilation(asked.moving, iterations=3) & ~asked.moving
    cut = Matte(np.where(asked.moving, 1, 0.4 * edge).astype(np.float32), PHOTO)
    photo = np.where(edge[..., None], 0.4 + 0.6 * PHOTO, PHOTO).astype(np.float32)
    found = background.behind(photo, cut, asked, GRID)
    shown = edge & ~asked.landed
    np.testing.assert_allclose(found.picture[shown], TILED[shown], atol=0.05)


def test_where_nothing_is_known_the_photo_stands_in():
    everything = np.ones((H, W), bool)
    found = of(motion("translate dx=5", everything))
    np.testing.assert_array_equal(found.picture, PHOTO)


def test_tones_go_on_pixel_by_pixel():
    """Not cell by cell, which shows as a grid."""
    slope = np.repeat((0.006 * X + 0.004 * Y - 0.5)[..., None], 3, -1).astype(np.float32)
    found = background.continued(slope, OBJECT, np.ones((H, W), bool), GRID)
    np.testing.assert_allclose(found.picture[OBJECT], slope[OBJECT], atol=2e-3)
