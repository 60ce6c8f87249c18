"""Background: the photo where nothing moves, and no trace of the object where it has left."""

import numpy as np
import pytest

from flows import masks, motions
from mg_jax.models.patch import background

H, W = 96, 128
Y, X = np.mgrid[:H, :W]
OBJECT = (np.abs(Y - 48) < 14) & (np.abs(X - 40) < 14)
TILE = np.random.default_rng(0).uniform(-1, 0, (16, 16, 3)).astype(np.float32)
PHOTO = np.where(OBJECT[..., None], np.float32(1), TILE[Y % 16, X % 16])
GRID = (H // 2, W // 2)


def behind(words):
    flow = motions.field(motions.parse(words), OBJECT)
    found = background.behind(PHOTO, flow, GRID)
    x, y = np.moveaxis(found.origin.astype(int), -1, 0)
    return flow, found, PHOTO[y, x] + found.tone


@pytest.mark.parametrize("words", ["translate dx=40", "rotate degrees=40", "scale factor=0.5"])
def test_the_object_is_gone_and_its_background_goes_on(words):
    flow, found, shown = behind(words)
    uncovered = masks.moving(flow) & ~masks.destination(flow)
    assert found.left[uncovered].all()
    np.testing.assert_allclose(shown[uncovered], TILE[Y % 16, X % 16][uncovered], atol=1e-3)


def test_far_from_the_motion_it_is_the_photo():
    _, found, shown = behind("translate dx=40")
    far = (np.abs(Y - 48) > 20) | (X < 20) | (X > 110)
    assert not found.left[far].any()
    np.testing.assert_array_equal(shown[far], PHOTO[far])


def test_behind_where_the_object_lands_there_is_no_need():
    _, found, _ = behind("translate dx=8")
    middle = (np.abs(Y - 48) < 6) & (np.abs(X - 44) < 6)
    assert not found.left[middle].any()


def test_where_everything_moves_the_photo_stands_in():
    everything = np.ones((H, W), bool)
    flow = motions.field(motions.parse("translate dx=5"), everything)
    found = background.behind(PHOTO, flow, GRID)
    np.testing.assert_array_equal(found.origin, np.stack([X, Y], axis=-1))
    assert not found.tone.any()
