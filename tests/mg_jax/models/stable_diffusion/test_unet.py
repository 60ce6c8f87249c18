"""The UNet: what it must not mix, what it may forget, and PyTorch's numbers."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from flows.nn import tracing
from mg_jax.models.stable_diffusion.config import TINY
from mg_jax.models.stable_diffusion.unet import UNet

from ....drawing import build, inputs

# By `python -m tests.reference.test_networks` from diffusers' networks with the same parameters;
# the parity suite checks that they still are what those give.
STORED = np.load(Path(__file__).parent / "networks.npz")
TIME = 501.0


def make(remat="blocks", dtype=jnp.float32):
    return build(lambda: UNet(TINY.unet, dtype=dtype, remat=remat, rngs=tracing.rngs()))


GRAPH, PARAMS = make()


@jax.jit
def apply(params, z, t, context):
    return nnx.merge(GRAPH, params)(z, t, context)


def arguments(b=1, h=16, w=16, tokens=7):
    return (
        jnp.asarray(inputs(0, b, h, w, 4)),
        jnp.float32(TIME),
        jnp.asarray(inputs(1, b, tokens, TINY.unet.context)),
    )


def near(found, expected, relative):
    assert np.linalg.norm(found - expected) <= relative * np.linalg.norm(expected)


def test_output_and_gradient_are_pytorchs():
    z, t, context = arguments()
    found, pull = jax.vjp(lambda z: apply(PARAMS, z, t, context), z)
    near(found, STORED["unet"], 1e-5)
    near(pull(jnp.asarray(inputs(2, 1, 16, 16, 4)))[0], STORED["unet_vjp"], 1e-5)


def test_samples_do_not_interact():
    z, t, context = arguments(b=3)
    together = apply(PARAMS, z, t, context)
    for i in range(3):
        alone = apply(PARAMS, z[i : i + 1], t, context[i : i + 1])
        np.testing.assert_allclose(together[i], alone[0], atol=1e-5)


def test_latents_need_not_be_square():
    z, t, context = arguments(h=8, w=24)
    found = apply(PARAMS, z, t, context)
    assert found.shape == z.shape
    mirrored = apply(PARAMS, z.swapaxes(1, 2), t, context)
    assert mirrored.shape == (1, 24, 8, 4)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_latent_time_and_text_all_count(which):
    given = list(arguments())
    changed = [*given]
    changed[which] = given[which] + jnp.float32(100.0 if which == 1 else 0.5)
    difference = apply(PARAMS, *given) - apply(PARAMS, *changed)
    assert np.abs(difference).max() > 1e-2


def test_the_order_of_tokens_does_not_matter():
    z, t, context = arguments()
    np.testing.assert_allclose(
        apply(PARAMS, z, t, context[:, ::-1]), apply(PARAMS, z, t, context), atol=1e-5
    )


@pytest.mark.long
def test_computing_blocks_again_changes_nothing():
    z, t, context = arguments(h=8, w=8)
    graph, _ = make(remat="nothing")

    @jax.jit
    def slope(params, z):
        return jax.grad(lambda z: jnp.sum(nnx.merge(graph, params)(z, t, context) ** 2))(z)

    again = jax.grad(lambda z: jnp.sum(apply(PARAMS, z, t, context) ** 2))(z)
    near(again, slope(PARAMS, z), 1e-5)


def test_half_precision_is_near():
    z, t, context = arguments()
    graph, _ = make(dtype=jnp.bfloat16)
    found = jax.jit(lambda p: nnx.merge(graph, p)(z, t, context))(PARAMS)
    assert found.dtype == jnp.float32
    near(found, STORED["unet"], 0.05)
