"""The autoencoder: sizes, scale, locality of samples, and PyTorch's numbers."""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from flows.nn import tracing
from mg_jax.models.stable_diffusion.config import TINY
from mg_jax.models.stable_diffusion.vae import VAE

from ....drawing import build, inputs

STORED = np.load(Path(__file__).parent / "networks.npz")  # as in test_unet.py


def make(config=TINY.vae, dtype=jnp.float32):
    return build(lambda: VAE(config, dtype=dtype, rngs=tracing.rngs()))


GRAPH, PARAMS = make()


@jax.jit
def encode(params, image):
    return nnx.merge(GRAPH, params).encode(image)


@jax.jit
def decode(params, latent):
    return nnx.merge(GRAPH, params).decode(latent)


def picture(b=1, h=32, w=32):
    return jnp.asarray(np.tanh(inputs(3, b, h, w, 3)))


def near(found, expected, relative):
    assert np.linalg.norm(found - expected) <= relative * np.linalg.norm(expected)


def test_latents_and_images_are_pytorchs():
    near(encode(PARAMS, picture()), STORED["encoded"], 1e-5)
    latent = jnp.asarray(inputs(4, 1, 4, 4, 4))
    image, pull = jax.vjp(lambda z: decode(PARAMS, z), latent)
    near(image, STORED["decoded"], 1e-5)
    near(pull(jnp.asarray(inputs(5, 1, 32, 32, 3)))[0], STORED["decoded_vjp"], 1e-5)


def test_a_latent_is_an_eighth_of_the_image():
    assert encode(PARAMS, picture(h=16, w=40)).shape == (1, 2, 5, 4)
    assert decode(PARAMS, jnp.asarray(inputs(0, 1, 2, 5, 4))).shape == (1, 16, 40, 3)
    assert TINY.vae.factor == 8


def test_samples_do_not_interact():
    images = picture(b=2)
    latents = encode(PARAMS, images)
    np.testing.assert_allclose(latents[1:], encode(PARAMS, images[1:]), atol=1e-5)
    np.testing.assert_allclose(decode(PARAMS, latents)[1:], decode(PARAMS, latents[1:]), atol=1e-5)


def test_the_scale_is_on_latents_both_ways():
    graph, _ = make(dataclasses.replace(TINY.vae, scale=2 * TINY.vae.scale))
    latent = encode(PARAMS, picture())
    scaled = nnx.merge(graph, PARAMS)
    np.testing.assert_allclose(scaled.encode(picture()), 2 * latent, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(scaled.decode(2 * latent), decode(PARAMS, latent), atol=1e-4)
