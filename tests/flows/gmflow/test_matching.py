"""Matching and propagation against the same sums written out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from flows.gmflow.matching import match, moved_back
from flows.gmflow.propagation import Propagation

H, W, C = 5, 7, 4


def maps():
    keys = jax.random.split(jax.random.key(0), 2)
    return [2 * jax.random.normal(key, (2, H, W, C)) for key in keys]


def pixels_within(y, x, radius):
    return [
        (j, i) for j in range(y - radius, y + radius + 1) for i in range(x - radius, x + radius + 1)
    ]


@pytest.mark.parametrize("radius", [None, 1, 2])
def test_a_match_is_the_mean_displacement(radius):
    first, second = maps()
    found = jax.jit(match, static_argnums=2)(first, second, radius)
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    for n, y, x in np.ndindex(2, H, W):
        near = pixels_within(y, x, max(H, W) if radius is None else radius)
        inside = [(j, i) for j, i in near if 0 <= j < H and 0 <= i < W]
        weights = np.exp([a[n, y, x] @ b[n, j, i] / np.sqrt(C) for j, i in inside])
        steps = np.array([(i - x, j - y) for j, i in inside])
        expected = weights @ steps / weights.sum()
        np.testing.assert_allclose(found[n, y, x], expected, atol=1e-5)


def test_moving_back_by_whole_pixels_copies_and_is_zero_outside():
    features, _ = maps()
    flow = jnp.broadcast_to(jnp.array([2.0, -1.0]), (2, H, W, 2))
    found = moved_back(features, flow)
    np.testing.assert_array_equal(found[:, 1:, :-2], features[:, :-1, 2:])
    np.testing.assert_array_equal(found[:, 0], 0)
    np.testing.assert_array_equal(found[:, :, -2:], 0)


def test_half_outside_is_half():
    features = jnp.ones((1, H, W, 1))
    found = moved_back(features, jnp.broadcast_to(jnp.array([0.5, 0.0]), (1, H, W, 2)))
    np.testing.assert_allclose(found[0, :, -1], 0.5)
    np.testing.assert_allclose(found[0, :, :-1], 1)
    far = moved_back(features, jnp.full((1, H, W, 2), 1e4))
    np.testing.assert_array_equal(far, 0)


@pytest.mark.parametrize("radius", [None, 1])
def test_propagation_is_a_mean_of_flows(radius):
    features, _ = maps()
    flow = jax.random.normal(jax.random.key(1), (2, H, W, 2))
    layer = Propagation(C, dtype=jnp.float32, rngs=nnx.Rngs(0))
    query = layer.query(features)
    key = np.asarray(layer.key(query if radius is None else features), np.float64)
    found, query = layer(features, flow, radius), np.asarray(query, np.float64)
    for n, y, x in np.ndindex(2, H, W):
        near = pixels_within(y, x, max(H, W) if radius is None else radius)
        inside = [(j, i) for j, i in near if 0 <= j < H and 0 <= i < W]
        weights = np.exp([query[n, y, x] @ key[n, j, i] / np.sqrt(C) for j, i in inside])
        outside = len(near) - len(inside) if radius else 0  # of logit zero and no motion
        total = weights.sum() + outside
        expected = weights @ np.stack([flow[n, j, i] for j, i in inside]) / total
        np.testing.assert_allclose(found[n, y, x], expected, atol=1e-5)
