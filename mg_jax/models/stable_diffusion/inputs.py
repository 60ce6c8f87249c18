"""Convert photos and prompts to the networks' inputs, and latents back to pictures."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, UInt8

from flows.raft import SMALLEST
from mg_jax import compilation, devices, images
from mg_jax.models.stable_diffusion.loading import StableDiffusion
from mg_jax.models.stable_diffusion.networks import Networks
from mg_jax.models.stable_diffusion.settings import StableDiffusionSettings
from mg_jax.prompting import Prompt
from mg_jax.types import Image, Latent

_MULTIPLE = 64  # sides are multiples of it: latents are 8 pixels wide, and halved three times

_DECODED_AT_ONCE = 8  # by one device; more samples are decoded one after the other

# Cached, since JAX compiles anew for every new function object.
compiled = functools.cache(compilation.jit_lean)


@functools.cache
def _decoder(net: Networks, mesh: Mesh | None) -> Callable[[Any, Latent], Image]:
    def decode(params: Any, latent: Latent) -> Image:
        if latent.shape[0] <= _DECODED_AT_ONCE:
            return net.decode(params, latent)
        pictures: Image = jax.lax.map(lambda one: net.decode(params, one[None])[0], latent)
        return pictures

    where = (devices.NOWHERE, devices.FIRST)
    return compilation.jit_lean(devices.spread(decode, mesh, where, devices.FIRST))


def work_shape(shape: tuple[int, ...], size: int) -> tuple[int, int]:
    """Working height and width: multiples of 64, about size² pixels in the photo's proportions."""
    return images.grid_shape(shape, size, _MULTIPLE, SMALLEST)


def work_picture(
    photo: UInt8[np.ndarray, "H W 3"], settings: StableDiffusionSettings
) -> Float[Array, "1 h w 3"]:
    """The photo at the working size, in [-1, 1]."""
    height, width = work_shape(photo.shape[:2], settings.working_size)
    return jnp.asarray(images.to_float(images.resize(photo, height, width)))[None]


def encoded(picture: Float[Array, "1 H W 3"], model: StableDiffusion, net: Networks) -> Latent:
    """Encode a picture in [-1, 1] as a latent."""
    latent: Latent = compiled(net.encode)(model.weights.vae, picture)
    return latent


def decoded(
    latent: Latent, model: StableDiffusion, net: Networks, mesh: Mesh | None = None
) -> UInt8[np.ndarray, "b H W 3"]:
    """Decode latents to pictures, 0 to 255; of a mesh's samples, those of this process."""
    return images.to_uint8(devices.local(_decoder(net, mesh)(model.weights.vae, latent)))


def prompt_of(
    text: str, samples: int, scale: float, model: StableDiffusion, net: Networks
) -> Prompt:
    """Embed a prompt for all samples; the unconditional one is of the empty text."""
    tokens = jnp.asarray(model.tokenizer.encode(["", text]))
    unconditional, conditional = (
        jnp.repeat(embedding[None], samples, axis=0)
        for embedding in compiled(net.embed)(model.weights.text, tokens)
    )
    return Prompt(unconditional, conditional, jnp.full(samples, scale))
