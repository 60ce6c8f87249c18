"""The networks as functions: one set per architecture, and both meanings of the UNet's output."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from flows.nn import tracing
from mg_jax import kernel, schedule
from mg_jax.models.stable_diffusion import networks
from mg_jax.models.stable_diffusion.config import TINY
from mg_jax.models.stable_diffusion.unet import UNet

from ....drawing import build, inputs

_, PARAMS = build(lambda: UNet(TINY.unet, dtype="float32", rngs=tracing.rngs()))
LEVEL = schedule.Schedule(*(field[3] for field in schedule.ddim(10)))
Z = jnp.asarray(inputs(0, 2, 8, 8, 4))
CONTEXT = jnp.asarray(inputs(1, 2, 5, TINY.unet.context))
V = dataclasses.replace(TINY, prediction="v_prediction")


def test_functions_are_made_once():
    assert networks.build(TINY, "float32", "blocks") is networks.build(TINY, "float32", "blocks")
    assert networks.build(TINY, "float32", "blocks") is not networks.build(V, "float32", "blocks")


@pytest.mark.long
def test_velocity_and_noise_imply_each_other():
    """With v = √ᾱ·ε − √(1−ᾱ)·x and z = √ᾱ·x + √(1−ᾱ)·ε, x is √ᾱ·z − √(1−ᾱ)·v."""
    v = networks.build(TINY, "float32", "blocks").denoise(PARAMS, Z, LEVEL, CONTEXT)
    eps = networks.build(V, "float32", "blocks").denoise(PARAMS, Z, LEVEL, CONTEXT)
    clean = jnp.sqrt(LEVEL.alpha) * Z - jnp.sqrt(1 - LEVEL.alpha) * v
    found = kernel.one_step_estimate(Z, eps, LEVEL.alpha)
    np.testing.assert_allclose(found, clean, atol=1e-4)
