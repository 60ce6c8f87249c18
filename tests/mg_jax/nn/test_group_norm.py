"""Group normalisation against its formula."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from mg_jax.nn.group_norm import GroupNorm

from ...drawing import build, inputs


def test_a_group_has_zero_mean_and_unit_variance():
    x = 3 + 2 * inputs(0, 2, 5, 7, 12)
    y = np.asarray(GroupNorm(12, 4, 0.0)(jnp.asarray(x))).reshape(2, 35, 4, 3)
    np.testing.assert_allclose(y.mean((1, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(y.var((1, 3)), 1, atol=1e-5)


def test_a_group_far_from_zero_has_unit_variance_still():
    x = 3000 + inputs(3, 1, 16, 16, 8)
    y = np.asarray(GroupNorm(8, 2, 0.0)(jnp.asarray(x))).reshape(1, 256, 2, 4)
    np.testing.assert_allclose(y.mean((1, 3)), 0, atol=1e-3)
    np.testing.assert_allclose(y.var((1, 3)), 1, atol=1e-3)


def test_group_norm_is_its_formula_with_its_gradient():
    graph, params = build(lambda: GroupNorm(12, 3, 1e-5))
    x = jnp.asarray(inputs(1, 2, 4, 6, 12))
    slope = jnp.asarray(inputs(2, 2, 4, 6, 12))

    def formula(x):
        groups = x.reshape(2, 24, 3, 4)
        mean, variance = groups.mean((1, 3), keepdims=True), groups.var((1, 3), keepdims=True)
        y = ((groups - mean) / jnp.sqrt(variance + 1e-5)).reshape(x.shape)
        return (
            y * params["scale"].get_value()[None, None, None]
            + params["bias"].get_value()[None, None, None]
        )

    expected, pull_expected = jax.vjp(formula, x)
    found, pull = jax.vjp(nnx.merge(graph, params), x)
    np.testing.assert_allclose(found, expected, atol=2e-6)
    np.testing.assert_allclose(pull(slope)[0], pull_expected(slope)[0], atol=5e-6)


def test_a_constant_picture_is_normalised_to_the_bias():
    graph, params = build(lambda: GroupNorm(8, 2, 1e-5))
    found = nnx.merge(graph, params)(jnp.full((1, 3, 3, 8), 7.3))
    expected = jnp.broadcast_to(params["bias"].get_value()[None, None, None], found.shape)
    np.testing.assert_allclose(found, expected, atol=1e-3)
