"""Flows at other sizes: motions scale as their picture does."""

import math

import numpy as np
import pytest

from flows.fitting import fit, fit_nearest, nearest

H, W = 24, 32
SIZES = [(48, 96), (36, 20), (12, 16), (23, 45), (H, W)]


def scaled(motion, height, width):
    """Motions in pixels of the other size."""
    return np.asarray(motion, np.float32) * np.array([width / W, height / H], np.float32)


@pytest.mark.parametrize("resize", [fit, fit_nearest])
@pytest.mark.parametrize("size", SIZES)
def test_one_velocity_scales_with_the_sides(resize, size):
    found = resize(np.full((H, W, 2), (6, -4), np.float32), *size)
    np.testing.assert_allclose(found, np.broadcast_to(scaled((6, -4), *size), found.shape), 1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_an_affine_motion_stays_one_inside(size):
    def affine(x, y):  # of places from 0 to 1, so that it holds at any size
        return np.stack([3 + 5 * x - 2 * y, -4 + 3 * x + y], axis=-1)

    def centres(height, width):
        y, x = np.mgrid[:height, :width]
        return (x + 0.5) / width, (y + 0.5) / height

    height, width = size
    found = fit(affine(*centres(H, W)).astype(np.float32), height, width)
    expected = scaled(affine(*centres(height, width)), height, width)
    y, x = (math.ceil(n / old) for n, old in ((height, H), (width, W)))
    inner = np.s_[y:-y, x:-x]
    np.testing.assert_allclose(found[inner], expected[inner], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("resize", [fit, fit_nearest])
@pytest.mark.parametrize("size", SIZES)
def test_an_objects_edge_stays_sharp_and_in_its_place(resize, size):
    height, width = size
    block = np.zeros((H, W, 2), np.float32)
    block[6:18, 8:24] = (6, -4)
    found = resize(block, height, width)
    moved = found.any(-1)
    expected = np.broadcast_to(scaled((6, -4), *size), found.shape)
    np.testing.assert_allclose(found[moved], expected[moved], rtol=1e-4)
    assert moved.mean() == pytest.approx(0.25, abs=2 / min(size))
    y, x = np.nonzero(moved)
    assert [(y.mean() + 0.5) / height, (x.mean() + 0.5) / width] == pytest.approx(
        [0.5] * 2, abs=0.05
    )


@pytest.mark.parametrize("resize", [fit, fit_nearest])
def test_the_same_size_changes_nothing(resize):
    flow = np.random.default_rng(0).normal(0, 5, (H, W, 2)).astype(np.float32)
    flow[5:9] = 0
    np.testing.assert_allclose(resize(flow, H, W), flow, atol=1e-6)


def test_rest_stays_rest():
    assert not fit(np.zeros((H, W, 2), np.float32), 40, 17).any()


def test_the_nearest_values_of_an_enlarged_array_are_its_own():
    values = np.arange(12).reshape(3, 4)
    large = np.repeat(np.repeat(values, 3, axis=0), 5, axis=1)
    np.testing.assert_array_equal(nearest(values, 9, 20), large)
    np.testing.assert_array_equal(nearest(large, 3, 4), values)


def test_the_nearest_motions_are_never_mixed():
    flow = np.zeros((H, W, 2), np.float32)
    flow[6:18, 8:16], flow[6:18, 16:24] = (2, 0), (-6, 0)
    assert len(np.unique(fit_nearest(flow, 23, 45)[..., 0])) == 3
