"""Splatting: shares are kept, values are weighed, and layers take their colours from origins."""

import numpy as np

from mg_jax.models.patch import splatting

H, W = 9, 12
RNG = np.random.default_rng(0)
ONE = np.ones(1)


def put(x, y, share=ONE, weight=ONE, values=()):
    sums = splatting.Sums((H, W), len(values))
    sums.add(np.asarray(x, float), np.asarray(y, float), share, weight, list(values))
    return sums


def test_a_point_on_a_pixel_stays_there():
    expected = np.zeros((H, W))
    expected[4, 7] = 1
    np.testing.assert_array_equal(put([7], [4]).weight, expected)


def test_shares_are_kept_inside_and_lost_outside():
    x, y, share = RNG.uniform(1, W - 2, 50), RNG.uniform(1, H - 2, 50), RNG.uniform(0, 1, 50)
    np.testing.assert_allclose(put(x, y, share, share).weight.sum(), share.sum())
    assert not put(x + W, y, share, share).weight.any()


def test_values_are_weighed_where_they_meet():
    far, near = np.array([1.0, 3.0]), np.array([5.0, 9.0])
    mean = put([3, 3], [2, 2], np.ones(2), np.array([1.0, 3.0]), [far, near]).means()
    np.testing.assert_allclose(mean[2, 3], [2.5, 8.0])
    assert not mean[0].any()


def test_what_is_hardly_covered_is_not_and_what_nearly_is_is():
    share = np.array([0.2, 0.5, 0.8])
    found = put([1, 4, 7], [3, 3, 3], share, share).covered()[3, [1, 4, 7]]
    np.testing.assert_allclose(found, [0, 0.5, 1])


def test_a_layer_shows_the_colours_of_its_origins():
    color = RNG.uniform(-1, 1, (H, W, 3))
    origin = np.moveaxis(np.indices((H, W))[::-1], 0, -1) + np.array([1.0, 0.0])
    covered = np.zeros((H, W))
    covered[:, 2:5] = 1
    found = splatting.colored(color, np.full((H, W), 0.5), covered, origin)
    np.testing.assert_allclose(found.covered, 0.5 * covered)
    np.testing.assert_allclose(found.color[:, 2:5], color[:, 3:6], rtol=1e-6)
    assert not found.color[:, 6:].any()
