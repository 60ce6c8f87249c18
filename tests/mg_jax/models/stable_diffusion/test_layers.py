"""The shared layers, against their formulas."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from mg_jax.models.stable_diffusion.layers import GroupNorm, Linear, Resnet, block_call, doubled

from ...drawing import build, inputs


def test_a_group_has_zero_mean_and_unit_variance():
    x = 3 + 2 * inputs(0, 2, 5, 7, 12)
    y = np.asarray(GroupNorm(12, 4, 0.0)(jnp.asarray(x))).reshape(2, 35, 4, 3)
    np.testing.assert_allclose(y.mean((1, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(y.var((1, 3)), 1, atol=1e-5)


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


def test_a_linear_layer_computes_in_its_type():
    graph, params = build(lambda: Linear(6, 5, dtype=jnp.bfloat16, rngs=nnx.Rngs(0)))
    x = jnp.asarray(inputs(3, 2, 3, 6))
    found = nnx.merge(graph, params)(x)
    assert found.dtype == jnp.bfloat16
    expected = np.asarray(x) @ np.asarray(params["kernel"].get_value()) + np.asarray(
        params["bias"].get_value()
    )
    np.testing.assert_allclose(found.astype(jnp.float32), expected, atol=0.05)


def test_each_pixel_is_doubled():
    x = jnp.asarray(inputs(4, 1, 2, 3, 4))
    np.testing.assert_array_equal(doubled(x), np.repeat(np.repeat(x, 2, 1), 2, 2))
    gradient = jax.grad(lambda x: jnp.sum(doubled(x)))(x)
    np.testing.assert_array_equal(gradient, 4)


def test_a_block_is_the_same_when_it_is_computed_again():
    graph, params = build(
        lambda: Resnet(8, 4, groups=2, epsilon=1e-5, dtype="float32", rngs=nnx.Rngs(0))
    )
    x, slope = jnp.asarray(inputs(5, 1, 6, 6, 8)), jnp.asarray(inputs(6, 1, 6, 6, 4))

    @functools.partial(jax.jit, static_argnums=0)
    def pulled(remat):
        def call(params, x):
            return block_call(remat, nnx.merge(graph, params))(x)

        output, pull = jax.vjp(call, params, x)
        return output, *pull(slope)

    for one, other in zip(
        jax.tree.leaves(pulled("blocks")), jax.tree.leaves(pulled("nothing")), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_a_block_that_is_computed_again_keeps_its_parameters_and_input_only():
    graph, params = build(
        lambda: Resnet(8, 8, groups=2, epsilon=1e-5, dtype="float32", rngs=nnx.Rngs(0))
    )
    x = jnp.asarray(inputs(5, 1, 32, 32, 8))

    def kept(remat):
        _, pull = jax.vjp(block_call(remat, nnx.merge(graph, params)), x)
        return sum(leaf.size for leaf in jax.tree.leaves(pull) if leaf.size >= x.size)

    assert kept("blocks") == x.size
    assert kept("nothing") > 3 * x.size
