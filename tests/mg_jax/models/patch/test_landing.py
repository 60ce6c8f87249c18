"""Landing: areas are kept or scaled, edges lie where the motion brings them, origins lead back."""

import numpy as np
import pytest
from mg_jax.models.patch.landing import land
from scipy import ndimage

from flows import masks, motions

H, W = 80, 96
Y, X = np.mgrid[:H, :W]
SQUARE = (np.abs(Y - 40) <= 14) & (np.abs(X - 44) <= 18)
POSITIONS = np.stack([X, Y], axis=-1)


def landing(words, mask=SQUARE):
    field = motions.field(motions.parse(words), mask)
    return land(field)


@pytest.mark.parametrize(("dx", "dy"), [(15, -9), (-8, 0), (1, 1)])
def test_whole_pixels_cover_whole_pixels(dx, dy):
    found = landing(f"translate dx={dx} dy={dy}")
    landed = np.roll(SQUARE, (dy, dx), (0, 1))
    np.testing.assert_allclose(found.covered, landed, atol=1e-12)
    # At its edge a pixel has lost the half that its neighbours would have added.
    inner = ndimage.binary_erosion(landed)
    np.testing.assert_allclose(found.origin[inner], (POSITIONS - [dx, dy])[inner], atol=1e-4)


def test_half_a_pixel_covers_half_of_the_edges():
    found = landing("translate dx=3.5 dy=0").covered[40]
    columns = np.nonzero(SQUARE[40])[0]
    assert found[columns[0] + 3] == pytest.approx(0.5)
    assert found[columns[-1] + 4] == pytest.approx(0.5)
    np.testing.assert_allclose(found[columns[0] + 4 : columns[-1] + 4], 1)


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
def test_nothing_is_left_open_inside(words):
    solid = landing(words).covered > 0
    np.testing.assert_array_equal(ndimage.binary_fill_holes(solid), solid)


@pytest.mark.parametrize("words", ["rotate degrees=30", "scale factor=1.5", "scale factor=3"])
def test_origins_lead_back(words):
    """Each origin, moved as the object is, lies where it was asked for."""
    field = motions.field(motions.parse(words), SQUARE)
    found = land(field)
    inner = ndimage.binary_erosion(found.covered == 1, iterations=3)
    origin = found.origin[inner]
    forth = [ndimage.map_coordinates(field[..., i], origin.T[::-1], order=1) for i in (0, 1)]
    assert inner.sum() > 200
    np.testing.assert_allclose(origin + np.stack(forth, axis=-1), POSITIONS[inner], atol=0.3)


def test_gaps_of_a_rigid_object_stay_open():
    comb = SQUARE & (X % 4 < 2)
    np.testing.assert_allclose(
        landing("translate dx=9 dy=3", comb).covered, np.roll(comb, (3, 9), (0, 1)), atol=1e-12
    )


def test_one_objects_motion_does_not_change_where_another_lands():
    comb = np.zeros((H, W), bool)
    comb[50:70, 10:40] = (X % 4 < 2)[50:70, 10:40]
    square = (np.abs(Y - 20) <= 8) & (np.abs(X - 70) <= 8)
    both = np.where(
        comb[..., None],
        motions.field(motions.parse("translate dx=9 dy=3"), comb),
        motions.field(motions.parse("scale factor=2.5"), square),
    )
    alone, together = landing("translate dx=9 dy=3", comb), land(both)
    lower = Y > 48  # the square's part ends above
    np.testing.assert_allclose(alone.covered * lower, together.covered * lower, atol=1e-12)


@pytest.mark.parametrize("factor", [6, 9, 12])
def test_an_object_enlarged_many_times_is_whole(factor):
    small = (np.abs(Y - 40) <= 2) & (np.abs(X - 44) <= 3)
    found = landing(f"scale factor={factor}", small).covered
    rows, columns = (min(H, 5 * factor), min(W, 7 * factor))
    assert found.sum() == pytest.approx(rows * columns, rel=0.05)
    np.testing.assert_array_equal(ndimage.binary_fill_holes(found > 0), found > 0)


@pytest.mark.parametrize("words", ["stretch x=3", "stretch y=2.5", "scale factor=3"])
def test_what_rests_in_the_middle_of_a_motion_leaves_no_crack(words):
    odd = (np.abs(Y - 40) <= 5) & (np.abs(X - 44) <= 6)
    assert not masks.moving(motions.field(motions.parse(words), odd))[40, 44]
    solid = landing(words, odd).covered > 0
    np.testing.assert_array_equal(ndimage.binary_fill_holes(solid), solid)
    rows, columns = np.nonzero(solid)
    assert solid[rows.min() + 1 : rows.max(), columns.min() + 1 : columns.max()].all()


def test_halves_that_are_torn_apart_land_each_by_itself():
    left = X < 44
    field = np.where((SQUARE & left)[..., None], np.float32([-20, 0]), np.float32([0, 0]))
    field = np.where((SQUARE & ~left)[..., None], np.float32([20, 0]), field)
    found = land(field).covered
    landed = np.roll(SQUARE & left, -20, 1) | np.roll(SQUARE & ~left, 20, 1)
    np.testing.assert_allclose(found, landed, atol=1e-12)


def test_an_object_that_leaves_covers_nothing():
    assert not landing("translate dx=300").covered.any()
