"""Views: the photo at rest, grounds that it leaves open, and what the motion makes of it."""

import numpy as np
import pytest
from scipy import ndimage

from flows import masks, motions
from mg_jax import images
from mg_jax.models.patch import layers, patch_sources
from mg_jax.models.patch.matting import matte
from mg_jax.models.patch.motion import LayeredMotion

H, W = 60, 72
GRID = (H // 2, W // 2)
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (H, W, 3), dtype=np.uint8)
PHOTO = images.to_float(PIXELS)
Y, X = np.mgrid[:H, :W]
OBJECT = (np.abs(Y - 28) < 12) & (np.abs(X - 26) < 14)
WHITE = OBJECT[..., None] * np.ones(3, np.float32)
EVERYTHING = np.ones((H, W), bool)


def motion(words, mask=OBJECT):
    """As the flow says: no joints are looked for."""
    return of(motions.field(motions.parse(words), mask))


def of(flow, order=None):
    moving = masks.solid(flow)
    order = layers.order(moving) if order is None else order
    return LayeredMotion(flow, moving, masks.destination(flow), order)


def moved(asked, photo=PHOTO):
    return patch_sources.views(photo, asked, GRID)[-1]


MOTIONS = [
    "translate dx=15 dy=-9",
    "translate dx=3.5 dy=0.25",
    "rotate degrees=30",
    "scale factor=1.5",
    "stretch x=0.6",
    "translate dx=40 dy=25",  # half of it leaves the picture
]


@pytest.mark.parametrize("words", MOTIONS)
def test_what_rests_is_the_photo_its_grounds_and_what_moves_comes_last(words):
    rest, likeliest, *drawn, last = patch_sources.views(PHOTO, motion(words), GRID)
    np.testing.assert_array_equal(rest.picture, PHOTO)
    np.testing.assert_array_equal(rest.chosen, ~motion(words).moving)
    assert drawn
    # What rests is known to belong where it lies; what moves may lie anywhere.
    assert all(view.placed for view in (rest, likeliest, *drawn))
    assert not last.placed


@pytest.mark.parametrize("words", MOTIONS)
def test_every_view_is_the_photo_away_from_the_motion(words):
    asked = motion(words)
    far = ~ndimage.binary_dilation(asked.moving | asked.landed, iterations=4)
    for view in patch_sources.views(PHOTO, asked, GRID):
        np.testing.assert_array_equal(view.picture[far], PHOTO[far])
        assert np.abs(view.picture).max() <= 1


@pytest.mark.parametrize("words", MOTIONS)
def test_what_is_left_behind_shows_no_object(words):
    asked = motion(words)
    left = OBJECT & ~asked.landed
    for view in patch_sources.views(WHITE, asked, GRID)[1:]:
        assert not view.picture[left].any()
        assert view.chosen[left].all() or not view.placed


@pytest.mark.parametrize("words", MOTIONS)
def test_patches_of_the_moved_object_may_be_taken_and_some_around_it(words):
    asked = motion(words)
    cut = matte(PHOTO, asked.flow, asked.moving)
    landed = np.max([one.covered for one in layers.landed(cut, asked.flow, asked.order)], axis=0)
    chosen = moved(asked).chosen
    assert chosen[ndimage.binary_dilation(landed > 0.5)].all()
    assert not chosen[(X < 3) & (Y > H - 3)].any()


def test_grounds_differ_where_the_photo_leaves_them_open_and_are_the_same_again():
    asked = motion("translate dx=30 dy=9")
    one, again = (patch_sources.views(PHOTO, asked, GRID) for _ in range(2))
    for view, same in zip(one, again, strict=True):
        np.testing.assert_array_equal(view.picture, same.picture)
    left = OBJECT & ~asked.landed
    likeliest, *drawn = (view.picture[left] for view in one[1:-1])
    assert len(drawn) == 2
    assert max((ground != likeliest).any(axis=-1).mean() for ground in drawn) > 0.1


# The moved picture.


@pytest.mark.parametrize(("dx", "dy"), [(15, -9), (-8, 0), (1, 1)])
def test_a_whole_pixel_push_is_a_roll_inside_the_object_bit_for_bit(dx, dy):
    """Beyond its rim, whose pixels may have something of what was behind them."""
    there = np.roll(OBJECT, (dy, dx), (0, 1))
    inner = ndimage.binary_erosion(there, iterations=6)
    shown = images.to_uint8(moved(motion(f"translate dx={dx} dy={dy}")).picture)
    assert inner.any()
    np.testing.assert_array_equal(shown[inner], np.roll(PIXELS, (dy, dx), (0, 1))[inner])


@pytest.mark.parametrize("words", MOTIONS)
def test_the_preview_is_the_picture_whose_patches_move(words):
    np.testing.assert_array_equal(
        patch_sources.preview(PHOTO, motion(words), GRID).picture, moved(motion(words)).picture
    )


def test_where_objects_cross_the_order_decides_and_swapped_it_swaps():
    """A red square and a blue bar land on each other."""
    red, blue = (np.abs(Y - 30) <= 8) & (np.abs(X - 12) <= 8), (np.abs(Y - 30) <= 4) & (X > 51)
    blue &= X < 68
    photo = np.where(red[..., None], np.float32([1, -1, -1]), np.float32([0, 0, 0]))
    photo = np.where(blue[..., None], np.float32([-1, -1, 1]), photo)
    flow = motions.field(motions.parse("translate dx=24"), red)
    flow += motions.field(motions.parse("translate dx=-24"), blue)
    both = np.roll(red, 24, axis=1) & np.roll(blue, -24, axis=1)
    assert both.sum() > 50
    for order, colour in (
        (red + 2 * blue, [-1, -1, 1]),
        (2 * red + blue, [1, -1, -1]),
        (None, [1, -1, -1]),  # the larger
    ):
        shown = moved(of(flow, order), photo).picture
        inner = ndimage.binary_erosion(both)
        np.testing.assert_allclose(shown[inner], np.tile(colour, (inner.sum(), 1)), atol=1e-6)
        np.testing.assert_allclose(shown[24, 36], [1, -1, -1], atol=1e-6)  # red, beside the bar


def test_a_rim_of_background_gives_way_to_the_new_background():
    """The mask is 3 pixels too wide: what was dark there is light where it lands."""
    y, x = np.mgrid[:300, :420]
    core = (np.abs(y - 140) < 40) & (np.abs(x - 90) < 40)
    photo = np.where(x[..., None] < 210, np.float32(-0.4), np.float32(0.4))
    photo = np.where(core[..., None], np.float32([0.9, -0.9, -0.9]), photo)
    loose = ndimage.binary_dilation(core, iterations=3)
    shown = patch_sources.preview(photo, motion("translate dx=220 dy=0", loose), (75, 105)).picture
    landed = np.roll(core, 220, axis=1)
    rim = np.roll(loose, 220, axis=1) & ~ndimage.binary_dilation(landed)
    inside = shown[ndimage.binary_erosion(landed, iterations=3)]
    np.testing.assert_allclose(inside, np.broadcast_to(photo[140, 90], inside.shape), atol=0.02)
    contrast = np.abs(photo[140, 90] - 0.4)
    assert np.median(np.abs(shown[rim] - 0.4) / contrast) < 0.02


def test_a_motion_out_of_the_picture_has_nothing_to_show():
    view = moved(motion("translate dx=200"), WHITE)
    assert not view.picture.any()
    assert not view.chosen.any()  # all that is left is ground


def test_half_a_pixel_shows_half_of_the_object_at_its_edges():
    shown = moved(motion("translate dx=20.5 dy=0"), WHITE).picture[28, :, 0]
    columns = np.nonzero(OBJECT[28])[0]
    assert shown[columns[0] + 20] == pytest.approx(0.5, abs=0.1)
    assert shown[columns[-1] + 21] == pytest.approx(0.5, abs=0.1)
    np.testing.assert_allclose(shown[columns[0] + 21 : columns[-1] + 21], 1, atol=1e-4)


# A picture that moves as a whole.


def test_a_moving_picture_has_no_ground():
    rest, last = patch_sources.views(PHOTO, motion("translate dx=5 dy=0", EVERYTHING), GRID)
    assert not rest.chosen.any()
    assert last.chosen.all()
    assert not last.placed


def test_a_moving_pictures_strip_goes_on_where_it_left():
    ramp = np.broadcast_to((X / W)[..., None], (H, W, 3)).astype(np.float32)
    shown = moved(motion("translate dx=5 dy=0", EVERYTHING), ramp).picture
    np.testing.assert_allclose(shown[:, 6:], ramp[:, 1:-5], atol=0.3 / W)
    assert shown[:, :5].max() < 0.35  # of what touches it, not of the other side
