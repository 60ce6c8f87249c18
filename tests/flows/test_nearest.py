"""Distances and values of the nearest pixel, against all pairs."""

import numpy as np
import pytest

from flows import nearest

H, W = 9, 13
RNG = np.random.default_rng(0)
MASKS = [RNG.random((H, W)) < share for share in (0.02, 0.3, 0.9)] + [np.ones((H, W), bool)]
NOWHERE = np.zeros((H, W), bool)


def ways(where):
    """From each pixel to each of the mask."""
    here = np.moveaxis(np.indices((H, W)), 0, -1)
    return np.linalg.norm(here[:, :, None] - np.argwhere(where), axis=-1)


@pytest.mark.parametrize("where", MASKS)
def test_none_is_nearer(where):
    np.testing.assert_allclose(nearest.distance(where), ways(where).min(axis=-1))
    row, column = nearest.place(where)
    assert where[row, column].all()
    there = np.hypot(*(np.stack([row, column]) - np.indices((H, W))))
    np.testing.assert_allclose(there, nearest.distance(where))


@pytest.mark.parametrize("where", MASKS)
def test_values_are_of_the_place(where):
    picture = RNG.integers(0, 256, (H, W, 3), dtype=np.uint8)
    row, column = nearest.place(where)
    np.testing.assert_array_equal(nearest.value(picture, where), picture[row, column])
    np.testing.assert_array_equal(nearest.value(picture, where)[where], picture[where])


def test_of_an_empty_mask_all_is_infinitely_far():
    assert np.isposinf(nearest.distance(NOWHERE)).all()
    picture = RNG.random((H, W))
    np.testing.assert_array_equal(nearest.value(picture, NOWHERE), picture)
