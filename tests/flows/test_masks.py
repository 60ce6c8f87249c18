"""Regions of a flow, by laws on motions whose regions are known."""

import numpy as np
import pytest
import scipy.ndimage

from flows import masks

H, W = 40, 50


def block(rows=(10, 20), columns=(12, 26)):
    mask = np.zeros((H, W), bool)
    mask[slice(*rows), slice(*columns)] = True
    return mask


def affine(mask, matrix, shift=(0, 0)):
    """The flow of p -> c + matrix (p − c) + shift on the mask, about the mask's centre c."""
    y, x = np.mgrid[:H, :W]
    offset = np.stack([x, y], -1) - np.array([x[mask].mean(), y[mask].mean()])
    flow = offset @ (np.array(matrix) - np.eye(2)).T + shift
    return np.where(mask[..., None], flow, 0).astype(np.float32)


def test_without_motion_every_region_is_empty():
    rest = np.zeros((H, W, 2), np.float32)
    assert not masks.moving(rest).any()
    assert not masks.destination(rest).any()


def test_what_moves_is_what_has_a_flow_in_either_component():
    flow = np.zeros((H, W, 2), np.float32)
    flow[3, 4, 0] = 2
    flow[5, 6, 1] = -2
    flow[7, 8] = 1e-5  # noise is rest
    assert np.argwhere(masks.moving(flow)).tolist() == [[3, 4], [5, 6]]


@pytest.mark.parametrize(("dx", "dy"), [(9, 0), (-6, 5), (3, -10)])
def test_a_whole_pixel_translation_lands_on_the_moved_mask(dx, dy):
    flow = affine(block(), np.eye(2), (dx, dy))
    np.testing.assert_array_equal(masks.destination(flow), np.roll(block(), (dy, dx), axis=(0, 1)))


def test_a_fractional_translation_lands_on_both_neighbours():
    flow = affine(block(), np.eye(2), (0.5, 0))
    np.testing.assert_array_equal(masks.destination(flow), block(columns=(12, 27)))


def test_content_that_leaves_the_picture_lands_nowhere():
    assert not masks.destination(affine(block(), np.eye(2), (500, 0))).any()
    half = masks.destination(affine(block(), np.eye(2), (-19, 0)))
    np.testing.assert_array_equal(half, block(columns=(0, 7)))


@pytest.mark.parametrize("factor", [1.5, 2, 3])
def test_an_enlarged_object_lands_without_holes(factor):
    mask = block((15, 24), (18, 31))
    landed = masks.destination(affine(mask, np.eye(2) * factor))
    np.testing.assert_array_equal(landed, scipy.ndimage.binary_fill_holes(landed))
    assert landed.sum() == pytest.approx(mask.sum() * factor**2, rel=0.15)


@pytest.mark.parametrize("degrees", [10, 45, 77])
def test_a_turned_object_lands_without_holes_on_its_area(degrees):
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    mask = block((10, 30), (15, 35))
    landed = masks.destination(affine(mask, [[cosine, sine], [-sine, cosine]]))
    np.testing.assert_array_equal(landed, scipy.ndimage.binary_fill_holes(landed))
    assert mask.sum() <= landed.sum() <= 1.25 * mask.sum()


def test_a_quarter_turn_lands_exactly():
    mask = block((10, 21), (15, 20))
    landed = masks.destination(affine(mask, [[0, 1], [-1, 0]]))
    np.testing.assert_array_equal(landed, block((13, 18), (12, 23)))


def test_a_shrunk_object_covers_less():
    landed = masks.destination(affine(block(), np.eye(2) * 0.5))
    assert 0 < landed.sum() < block().sum() / 2
    assert (landed <= block()).all()


def test_nothing_is_filled_between_objects_that_part():
    flow = affine(block(columns=(12, 19)), np.eye(2), (-10, 0))
    flow += affine(block(columns=(19, 26)), np.eye(2), (20, 0))
    expected = block(columns=(2, 9)) | block(columns=(39, 46))
    np.testing.assert_array_equal(masks.destination(flow), expected)


def test_a_picture_of_one_pixel_has_regions_too():
    flow = np.full((1, 1, 2), 0.25, np.float32)
    assert masks.destination(flow).all()
    assert masks.moving(flow).all()


TURN = ((0, 1), (-1, 0))  # by 90 degrees
WIDE = ((3, 0), (0, 1))
PINCHED = ((-1, 0), (0, -1))


@pytest.mark.parametrize("matrix", [TURN, WIDE, PINCHED, ((2, 0), (0, 2)), ((1.5, 0.25), (0, 1))])
def test_content_is_solid_where_the_motion_passes_through_zero(matrix):
    odd = block(rows=(10, 21), columns=(12, 27))  # its centre is a pixel
    np.testing.assert_array_equal(masks.solid(affine(odd, matrix)), odd)


def test_holes_in_what_moves_one_way_are_not_solid():
    mask = block()
    mask[14, 16] = mask[15:17, 20] = False
    for shift in ((7, -3), (-0.5, 0)):
        np.testing.assert_array_equal(masks.solid(affine(mask, np.eye(2), shift)), mask)


def test_the_axis_of_a_stretch_lands_as_wide_as_it_becomes():
    odd = block(rows=(10, 21), columns=(12, 27))
    landed = masks.destination(affine(odd, WIDE))
    np.testing.assert_array_equal(landed, block(rows=(10, 21), columns=(0, 41)))
