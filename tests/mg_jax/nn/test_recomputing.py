"""What is computed again for the gradient, and that nothing else changes by it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from flows.nn import tracing
from mg_jax.models.stable_diffusion.layers import Resnet, resnet_call
from mg_jax.nn.recomputing import block_call

from ...drawing import build, inputs


@pytest.mark.parametrize("call_of", [block_call, resnet_call])
def test_a_block_is_the_same_when_it_is_computed_again(call_of):
    graph, params = build(
        lambda: Resnet(8, 4, groups=2, epsilon=1e-5, dtype="float32", rngs=tracing.rngs())
    )
    x, slope = jnp.asarray(inputs(5, 1, 6, 6, 8)), jnp.asarray(inputs(6, 1, 6, 6, 4))

    @functools.partial(jax.jit, static_argnums=0)
    def pulled(remat):
        def call(params, x):
            return call_of(remat, nnx.merge(graph, params))(x)

        output, pull = jax.vjp(call, params, x)
        return output, *pull(slope)

    for one, other in zip(
        jax.tree.leaves(pulled("blocks")), jax.tree.leaves(pulled("nothing")), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_a_block_that_is_computed_again_keeps_its_parameters_and_input_only():
    graph, params = build(
        lambda: Resnet(8, 8, groups=2, epsilon=1e-5, dtype="float32", rngs=tracing.rngs())
    )
    x = jnp.asarray(inputs(5, 1, 32, 32, 8))

    def kept(remat):
        _, pull = jax.vjp(block_call(remat, nnx.merge(graph, params)), x)
        return sum(leaf.size for leaf in jax.tree.leaves(pull) if leaf.size >= x.size)

    assert kept("blocks") == x.size
    assert kept("nothing") > 3 * x.size


def test_halves_keep_one_more_array_and_compute_no_convolution_again():
    graph, params = build(
        lambda: Resnet(8, 8, groups=2, epsilon=1e-5, dtype="float32", rngs=nnx.Rngs(0))
    )
    x = jnp.asarray(inputs(5, 1, 32, 32, 8))

    def pulled(call_of, x):
        return jax.vjp(call_of("blocks", nnx.merge(graph, params)), x)

    _, pull = pulled(resnet_call, x)
    kept = [leaf for leaf in jax.tree.leaves(pull) if leaf.size >= x.size]
    assert sum(leaf.size for leaf in {id(leaf): leaf for leaf in kept}.values()) == 2 * x.size

    def convolutions(call_of):
        def both(x):
            output, pull = pulled(call_of, x)
            return output, pull(output)

        return jax.jit(both).lower(x).compile().as_text().count(" convolution(")

    assert convolutions(resnet_call) == 4  # two, and their gradients
    assert convolutions(block_call) == 5
