"""Layers: areas are kept or scaled, edges lie where the motion brings them, origins lead back."""

import numpy as np
import pytest
from scipy import ndimage

from flows import masks, motions
from mg_jax.models.patch import layers
from mg_jax.models.patch.matting import Matte

H, W = 80, 96
Y, X = np.mgrid[:H, :W]
SQUARE = (np.abs(Y - 40) <= 14) & (np.abs(X - 44) <= 18)
POSITIONS = np.stack([X, Y], axis=-1)
PHOTO = np.random.default_rng(0).uniform(-1, 1, (H, W, 3)).astype(np.float32)


def field(words, mask=SQUARE):
    return motions.field(motions.parse(words), mask)


def cut_out(moving, photo=PHOTO):
    """Opaque, with the mask's edges."""
    return Matte(moving.astype(np.float32), photo)


def landed(flow, photo=PHOTO):
    """All layers; a layer for each part of what moves."""
    moving = masks.solid(flow)
    return list(layers.landed(cut_out(moving, photo), flow, layers.order(moving)))


def landing(words, mask=SQUARE):
    (found,) = landed(field(words, mask))
    return found


def covered(flow):
    return np.max([layer.covered for layer in landed(flow)], axis=0)


# Where a layer lands.


@pytest.mark.parametrize(("dx", "dy"), [(15, -9), (-8, 0), (1, 1)])
def test_whole_pixels_land_bit_for_bit(dx, dy):
    found = landing(f"translate dx={dx} dy={dy}")
    there = np.roll(SQUARE, (dy, dx), (0, 1))
    np.testing.assert_array_equal(found.covered, there)
    np.testing.assert_array_equal(found.origin[there], (POSITIONS - [dx, dy])[there])
    np.testing.assert_array_equal(found.color[there], np.roll(PHOTO, (dy, dx), (0, 1))[there])


def test_half_a_pixel_covers_half_of_the_edges():
    found = landing("translate dx=3.5 dy=0").covered[40]
    columns = np.nonzero(SQUARE[40])[0]
    assert found[columns[0] + 3] == pytest.approx(0.5)
    assert found[columns[-1] + 4] == pytest.approx(0.5)
    np.testing.assert_allclose(found[columns[0] + 4 : columns[-1] + 4], 1)


def test_a_half_turn_lands_exactly():
    found = landing("rotate degrees=180")
    np.testing.assert_allclose(found.covered, SQUARE, atol=1e-3)
    inner = ndimage.binary_erosion(SQUARE)
    np.testing.assert_allclose(found.origin[inner], ([88, 80] - POSITIONS)[inner], atol=1e-3)


def test_a_mirror_image_lands_exactly():
    flow = np.where(SQUARE[..., None], np.stack([88.0 - 2 * X, 0.0 * Y], axis=-1), 0)
    (found,) = landed(flow.astype(np.float32))
    np.testing.assert_allclose(found.covered, SQUARE, atol=1e-3)
    inner = ndimage.binary_erosion(SQUARE)
    mirrored = np.stack([88 - X, Y], axis=-1)
    np.testing.assert_allclose(found.origin[inner], mirrored[inner], atol=1e-3)


@pytest.mark.parametrize(
    ("words", "times"),
    [
        ("rotate degrees=30", 1.0),
        ("scale factor=1.6", 1.6**2),
        ("scale factor=0.7", 0.7**2),
        ("stretch x=0.6", 0.6),
        ("translate dx=0.3 dy=7.4", 1.0),
        ("translate dx=4; rotate degrees=20; scale factor=1.2", 1.2**2),
    ],
)
def test_what_is_covered_is_the_objects_area_times_the_scale(words, times):
    found = landing(words)
    assert found.covered.sum() == pytest.approx(SQUARE.sum() * times, rel=0.03)
    assert found.covered.max() == 1
    assert ((found.covered >= 0) & (found.covered <= 1)).all()


@pytest.mark.parametrize("words", ["rotate degrees=30", "scale factor=1.5", "scale factor=3"])
def test_origins_lead_back(words):
    """Each origin, moved as the object is, lies where it was asked for."""
    flow = field(words)
    (found,) = landed(flow)
    inner = ndimage.binary_erosion(found.covered == 1, iterations=3)
    origin = found.origin[inner]
    forth = [ndimage.map_coordinates(flow[..., i], origin.T[::-1], order=1) for i in (0, 1)]
    assert inner.sum() > 200
    np.testing.assert_allclose(origin + np.stack(forth, axis=-1), POSITIONS[inner], atol=1e-3)


def test_an_object_that_leaves_covers_nothing():
    assert not landing("translate dx=300").covered.any()


# Cracks, gaps and tears.


@pytest.mark.parametrize("words", ["rotate degrees=30", "scale factor=1.5", "scale factor=3"])
def test_nothing_is_left_open_inside(words):
    solid = landing(words).covered > 0
    np.testing.assert_array_equal(ndimage.binary_fill_holes(solid), solid)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("stretch", [2.0, 5.0, 9.5])
def test_where_a_stretch_begins_there_is_no_crack(axis, stretch):
    """Either side of a pixel has a slope of its own: together they tile what is covered."""
    place = POSITIONS[..., axis].astype(np.float64)
    begin = [44, 40][axis]
    mask = (np.abs(place - begin) <= 6) & (np.abs(POSITIONS[..., 1 - axis] - 42) <= 10)
    flow = np.zeros((H, W, 2), np.float32)
    flow[..., axis] = (stretch - 1) * np.maximum(place - begin, 0)
    flow[..., 1 - axis] = 3
    flow[~mask] = 0
    other = POSITIONS[..., 1 - axis]
    far = begin + 6 * stretch
    inner = (np.abs(other - 45) <= 9) & (place >= begin - 5) & (place <= far - 1)
    np.testing.assert_allclose(covered(flow)[inner], 1)


@pytest.mark.parametrize("words", ["stretch x=3", "stretch y=2.5", "scale factor=3"])
def test_what_rests_in_the_middle_of_a_motion_leaves_no_crack(words):
    odd = (np.abs(Y - 40) <= 5) & (np.abs(X - 44) <= 6)
    assert not masks.moving(field(words, odd))[40, 44]
    solid = landing(words, odd).covered > 0
    np.testing.assert_array_equal(ndimage.binary_fill_holes(solid), solid)
    rows, columns = np.nonzero(solid)
    assert solid[rows.min() + 3 : rows.max() - 2, columns.min() + 3 : columns.max() - 2].all()


@pytest.mark.parametrize("factor", [6, 9, 12])
def test_an_object_enlarged_many_times_is_whole(factor):
    small = (np.abs(Y - 40) <= 2) & (np.abs(X - 44) <= 3)
    found = landing(f"scale factor={factor}", small).covered
    rows, columns = (min(H, 5 * factor), min(W, 7 * factor))
    assert found.sum() == pytest.approx(rows * columns, rel=0.1)
    np.testing.assert_array_equal(ndimage.binary_fill_holes(found > 0), found > 0)


def test_gaps_of_a_rigid_object_stay_open():
    comb = SQUARE & (X % 4 < 2)
    found = covered(field("translate dx=9 dy=3", comb))
    np.testing.assert_allclose(found, np.roll(comb, (3, 9), (0, 1)), atol=1e-12)


def test_halves_that_are_torn_apart_land_each_by_itself():
    left = X < 44
    flow = np.where((SQUARE & left)[..., None], np.float32([-20, 0]), np.float32([0, 0]))
    flow = np.where((SQUARE & ~left)[..., None], np.float32([20, 0]), flow)
    there = np.roll(SQUARE & left, -20, 1) | np.roll(SQUARE & ~left, 20, 1)
    np.testing.assert_allclose(covered(flow), there, atol=1e-12)


def test_slopes_are_of_what_moves_on_either_side():
    flow = np.zeros((H, W, 2), np.float32)
    flow[..., 0] = np.where(X < 44, 0.5 * X, 22 + 2.0 * (X - 44))
    flow[..., 1] = 100 + 0.25 * Y
    change = layers.slopes(flow, SQUARE)
    inside = (slice(28, 53), slice(28, 61))
    expected = np.where(X < 44, 0.5, 2.0)
    np.testing.assert_allclose(change[1, ..., 0, 0][inside], expected[inside])
    np.testing.assert_allclose(change[0, ..., 0, 0][inside], np.roll(expected, 1, 1)[inside])
    np.testing.assert_allclose(change[:, ..., 1, 1][:, SQUARE], 0.25)
    # At its rim a part has one neighbour, whose slope serves both sides.
    np.testing.assert_allclose(change[:, 40, 26, 0, 0], 0.5)
    np.testing.assert_allclose(change[:, 40, 62, 0, 0], 2.0)


# One on the other.


@pytest.mark.parametrize("toward", [1, -1])
def test_of_a_fold_what_moves_farther_is_seen(toward):
    """One end comes to lie on the other; between them the sheet is turned over."""
    rows, columns = np.abs(Y - 40) <= 10, np.abs(X - 44) <= 20
    along = toward * (X - 44)
    flow = np.zeros((H, W, 2), np.float32)
    flow[..., 0] = toward * np.clip(12 - 2 * along, 4, 20)
    flow[~(rows & columns)] = 0
    (found,) = landed(flow)
    # From -20 to -4 all moves by 20, from 4 to 20 by 4: to 0 to 16, and to 8 to 24.
    on_top = rows & (along >= 1) & (along <= 14)
    under = rows & (along >= 19) & (along <= 23)
    for where, moved in ((on_top, 20), (under, 4)):
        where &= np.abs(Y - 40) <= 8
        assert where.any()
        np.testing.assert_allclose(found.covered[where], 1)
        expected = POSITIONS[where] - [toward * moved, 0]
        np.testing.assert_allclose(found.origin[where], expected, atol=0.5)


def test_layers_come_in_their_order_and_order_says_which_is_which():
    one, other = ((np.abs(Y - 40) <= 5) & (np.abs(X - at) <= 5) for at in (20, 80))
    flow = field("translate dx=40", one) + field("translate dx=-20", other)
    for on_top, below in ((one, other), (other, one)):
        order = np.where(on_top, 7, np.where(below, 3, 0))
        found = [layer.covered for layer in layers.landed(cut_out(order > 0), flow, order)]
        for layer, mask in zip((found[-1], found[0]), (on_top, below), strict=True):
            dx = int(flow[mask][0, 0])
            middle = ndimage.binary_erosion(mask, iterations=2)
            assert layer[np.roll(middle, dx, axis=1)].all()


def test_without_an_order_parts_are_layers_and_the_larger_is_on_top():
    moving = SQUARE | (X < 4) | ((Y > 76) & (X > 90))
    order = layers.order(moving)
    assert not order[~moving].any()
    assert [set(order[part].tolist()) for part in (SQUARE, X < 4, (Y > 76) & (X > 90))] == [
        {3},
        {2},
        {1},
    ]


def test_one_objects_motion_does_not_change_where_another_lands():
    comb = np.zeros((H, W), bool)
    comb[50:70, 10:40] = (X % 4 < 2)[50:70, 10:40]
    square = (np.abs(Y - 20) <= 8) & (np.abs(X - 70) <= 8)
    alone = field("translate dx=9 dy=3", comb)
    both = np.where(comb[..., None], alone, field("scale factor=2.5", square))
    lower = Y > 48  # the square's part ends above
    np.testing.assert_allclose(covered(alone) * lower, covered(both) * lower, atol=1e-12)


def soft(where, width=3.0):
    """Opacity that falls from 1 to 0 within `width` pixels beyond a mask."""
    return np.clip(1 - ndimage.distance_transform_edt(~where) / width, 0, 1).astype(np.float32)


def test_what_is_seen_beside_the_mask_moves_with_it():
    flow = field("translate dx=15 dy=-9")
    (found,) = layers.landed(Matte(soft(SQUARE), PHOTO), flow, layers.order(SQUARE))
    expected = np.roll(soft(SQUARE), (-9, 15), (0, 1))
    seen = expected > 0.1
    np.testing.assert_allclose(found.covered[seen], expected[seen], atol=1e-6)
    np.testing.assert_array_equal(found.color[seen], np.roll(PHOTO, (-9, 15), (0, 1))[seen])


def test_beside_the_mask_a_slope_goes_on():
    flow = field("scale factor=1.4")
    (found,) = layers.landed(Matte(soft(SQUARE), PHOTO), flow, layers.order(SQUARE))
    beside = (found.covered > 0.3) & (found.covered < 0.9)
    middle = np.array([44, 40])
    back = middle + (POSITIONS - middle) / 1.4
    np.testing.assert_allclose(found.origin[beside], back[beside], atol=0.3)


@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_opacity_is_kept_where_sizes_change(factor):
    """As much is seen as the object's area times the scale, its soft edge included."""
    cut = Matte(soft(SQUARE), PHOTO)
    (found,) = layers.landed(cut, field(f"scale factor={factor}"), layers.order(SQUARE))
    if factor < 1:
        assert found.covered.sum() == pytest.approx(factor**2 * cut.opacity.sum(), rel=0.06)
    assert 0 <= found.covered.min() <= found.covered.max() <= 1


# Sizes that change, and the frame.


def test_an_enlarged_outline_is_smoother_than_its_pixels():
    factor, radius = 6, 5.3
    disc = np.hypot(Y - 40, X - 44) <= radius
    found = landing(f"scale factor={factor}", disc).covered > 0.5
    outline = found & ~ndimage.binary_erosion(found)
    away = np.hypot(Y - 40, X - 44)[outline]
    steps = np.kron(disc[34:47, 38:51], np.ones((factor, factor), bool))
    y, x = np.indices(steps.shape)
    centre = (np.array(steps.shape) - 1) / 2
    rim = steps & ~ndimage.binary_erosion(steps)
    assert away.std() < 0.6 * np.hypot(y - centre[0], x - centre[1])[rim].std()
    assert away.mean() == pytest.approx(factor * radius, abs=factor / 2)


@pytest.mark.parametrize("factor", [0.5, 0.25])
def test_what_shrinks_is_averaged_not_sampled(factor):
    board = np.where(((X + Y) % 2 == 0)[..., None], np.float32(1), np.float32(-1))
    photo = np.broadcast_to(board, (H, W, 3)).copy()
    (found,) = landed(field(f"scale factor={factor}"), photo)
    inner = ndimage.binary_erosion(found.covered == 1)
    assert inner.sum() > 20
    assert np.abs(found.color[inner]).max() < 0.3


@pytest.mark.parametrize("factor", [0.5, 1.3, 3.0])
def test_origins_lie_in_the_picture_also_at_its_frame(factor):
    """A layer that fills the picture, scaled about a corner: its last pixels reach beyond it."""
    shape = (24, 32)
    y, x = np.mgrid[:24, :32].astype(np.float32)
    flow = (factor - 1) * np.stack([x - 31.5, y - 23.5], axis=-1)
    photo = np.zeros((*shape, 3), np.float32)
    cut = cut_out(np.ones(shape, bool), photo)
    for layer in layers.landed(cut, flow, np.ones(shape, int)):
        assert layer.origin.min() >= 0
        assert (layer.origin <= [31, 23]).all()
