"""The networks as pure functions of their parameters, for the sampler."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from flows.nn import tracing
from mg_jax.models.stable_diffusion.config import Config
from mg_jax.models.stable_diffusion.unet import UNet
from mg_jax.models.stable_diffusion.vae import VAE
from mg_jax.models.text.encoder import TextEncoder
from mg_jax.nn.recomputing import Remat
from mg_jax.types import Decoder, Denoiser, Image, Latent, Schedule


class Networks(NamedTuple):
    """Functions of (parameters, …), not jitted; results are float32, or float64 if built so."""

    denoise: Denoiser  # its prompt is text embeddings, one per sample
    decode: Decoder
    encode: Callable[[Any, Image], Latent]
    embed: Callable[[Any, Int[Array, "b n"]], Float[Array, "b n d"]]


@functools.cache
def build(config: Config, dtype: str, remat: Remat) -> Networks:
    """Build an architecture's networks, computing in `dtype`; `remat`: what gradients recompute.

    Cached: the same arguments give the same functions, so that jitted ones compile only once.
    """

    def graph(network: Callable[[], nnx.Module]) -> nnx.GraphDef[Any]:
        return nnx.split(nnx.eval_shape(network))[0]

    unet = graph(lambda: UNet(config.unet, dtype=dtype, remat=remat, rngs=tracing.rngs()))
    vae = graph(lambda: VAE(config.vae, dtype=dtype, remat=remat, rngs=tracing.rngs()))
    text = graph(lambda: TextEncoder(config.text, dtype=dtype, rngs=tracing.rngs()))

    def denoise(params: Any, z: Latent, level: Schedule, context: Float[Array, "b n d"]) -> Latent:
        predicted: Latent = nnx.merge(unet, params)(z, level.t, context)
        match config.prediction:
            case "epsilon":
                return predicted
            case "v_prediction":  # Salimans & Ho 2022: v = √ᾱ·ε − √(1−ᾱ)·x
                return jnp.sqrt(level.alpha) * predicted + jnp.sqrt(1 - level.alpha) * z

    def decode(params: Any, latent: Latent) -> Image:
        image: Image = nnx.merge(vae, params).decode(latent)
        return image

    def encode(params: Any, image: Image) -> Latent:
        latent: Latent = nnx.merge(vae, params).encode(image)
        return latent

    def embed(params: Any, tokens: Int[Array, "b n"]) -> Float[Array, "b n d"]:
        embeddings: Float[Array, "b n d"] = nnx.merge(text, params)(tokens)
        return embeddings

    return Networks(denoise, decode, encode, embed)
