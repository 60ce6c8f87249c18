"""The precision of all matrix products and convolutions of the networks, in both directions."""

import jax
import jax.numpy as jnp
import pytest
from flax import nnx
from jax.extend import core

from flows.nn import tracing
from flows.nn.precision import products
from flows.raft import weights
from mg_jax.models.stable_diffusion.config import TINY
from mg_jax.models.stable_diffusion.unet import UNet
from mg_jax.models.stable_diffusion.vae import VAE
from mg_jax.models.text.encoder import TextEncoder


def drawn(*shape):
    return jax.random.normal(jax.random.key(0), shape)


def merged(make, call):
    """A network's function of (parameters, input), and its parameters."""
    graph, params = nnx.split(nnx.eval_shape(make))
    return lambda params, x: call(nnx.merge(graph, params), x), params


def unet(dtype):
    text = drawn(2, TINY.text.length, TINY.unet.context)
    return *merged(
        lambda: UNet(TINY.unet, dtype=dtype, rngs=tracing.rngs()),
        lambda network, z: network(z, jnp.float32(7), text),
    ), drawn(2, 8, 8, TINY.vae.latent)


def decoder(dtype):
    return *merged(
        lambda: VAE(TINY.vae, dtype=dtype, rngs=tracing.rngs()),
        lambda network, z: network.decode(z),
    ), drawn(1, 8, 8, TINY.vae.latent)


def encoder(dtype):
    return *merged(
        lambda: VAE(TINY.vae, dtype=dtype, rngs=tracing.rngs()),
        lambda network, image: network.encode(image),
    ), drawn(1, 64, 64, 3)


def text(dtype):
    tokens = jnp.zeros((1, TINY.text.length), jnp.int32)
    function, params = merged(
        lambda: TextEncoder(TINY.text, dtype=dtype, rngs=tracing.rngs()),
        lambda network, scale: scale * network(tokens),
    )
    return function, params, drawn()


def raft(dtype):
    network, first = weights.load("raft-small", dtype=dtype), drawn(1, 128, 128, 3)
    return lambda params, x: network.flow(params, first, x, 2), network.params, first


def equations(jaxpr):
    for equation in jaxpr.eqns:
        yield equation
        for inner in core.jaxprs_in_params(equation.params):
            yield from equations(inner)


def precisions(dtype, make):
    """Of each product, both ways: the types of its factors, and its precision for each of them."""
    function, params, x = make(dtype)

    def both(params, x):
        out, back = jax.vjp(function, params, x)
        return out, back(out)

    for equation in equations(jax.make_jaxpr(both)(params, x).jaxpr):
        if equation.primitive.name in ("dot_general", "conv_general_dilated"):
            factors = {variable.aval.dtype.name for variable in equation.invars}
            yield factors, equation.params["precision"]


@pytest.mark.parametrize("make", [unet, decoder, encoder, text, raft])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_products_of_float32_keep_all_digits_those_of_bfloat16_are_as_fast_as_can_be(dtype, make):
    found = list(precisions(dtype, make))
    assert any(dtype in factors for factors, _ in found)
    highest, default = jax.lax.Precision.HIGHEST, jax.lax.Precision.DEFAULT
    for factors, precision in found:
        expected = default if "bfloat16" in factors else highest
        assert precision == (expected, expected)


def test_a_precision_that_jax_was_told_of_comes_first():
    with jax.default_matmul_precision("tensorfloat32"):
        assert products("float32") is products("bfloat16") is None
        told = {precision for _, precision in precisions("float32", unet)}
    assert told == {(jax.lax.Precision.HIGH, jax.lax.Precision.HIGH)}
