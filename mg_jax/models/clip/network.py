"""CLIP's two encoders, and their projections to a common space."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from flows.nn import tracing
from mg_jax.checkpoints.parts import Params
from mg_jax.models.clip.config import Config
from mg_jax.models.clip.vision import VisionEncoder
from mg_jax.models.text.encoder import TextEncoder


class Network(nnx.Module):
    """Embed pictures and texts as vectors of unit length; their inner product is the cosine."""

    def __init__(self, config: Config, *, rngs: nnx.Rngs):
        text, vision = config.text, config.vision
        self.text_model = TextEncoder(text, dtype=jnp.float32, rngs=rngs)
        self.vision_model = VisionEncoder(vision, rngs=rngs)
        self.text_projection = nnx.Linear(text.width, config.width, use_bias=False, rngs=rngs)
        self.visual_projection = nnx.Linear(vision.width, config.width, use_bias=False, rngs=rngs)
        self.end = config.end

    def embed_image(self, pixels: Float[Array, "b s s 3"]) -> Float[Array, "b d"]:
        """Embed pictures as `preparing.prepare` returns them."""
        return _unit(self.visual_projection(self.vision_model(pixels)))

    def embed_text(self, tokens: Int[Array, "b n"]) -> Float[Array, "b d"]:
        """Embed texts by the state of the first token that ends them."""
        marks = tokens if self.end is None else (tokens == self.end).astype(jnp.int32)
        last = jnp.argmax(marks, axis=1)[:, None, None]
        states = jnp.take_along_axis(self.text_model(tokens), last, axis=1)
        return _unit(self.text_projection(states[:, 0]))


class Programs(NamedTuple):
    """Compiled functions of (parameters, …)."""

    embed_image: Callable[[Params, Float[Array, "b s s 3"]], Float[Array, "b d"]]
    embed_text: Callable[[Params, Int[Array, "b n"]], Float[Array, "b d"]]


@functools.cache
def structure(config: Config) -> tuple[nnx.GraphDef[Network], Params]:
    """Return a network's graph and its parameters as shapes without values."""
    split: tuple[nnx.GraphDef[Network], Params] = nnx.split(
        nnx.eval_shape(lambda: Network(config, rngs=tracing.rngs()))
    )
    return split


@functools.cache
def programs(config: Config) -> Programs:
    """Return an architecture's compiled functions, cached.

    In full float32 on every device: a score must not depend on the device.
    """
    graph, _ = structure(config)

    def embed_image(params: Params, pixels: Float[Array, "b s s 3"]) -> Float[Array, "b d"]:
        with jax.default_matmul_precision("highest"):
            return nnx.merge(graph, params).embed_image(pixels)

    def embed_text(params: Params, tokens: Int[Array, "b n"]) -> Float[Array, "b d"]:
        with jax.default_matmul_precision("highest"):
            return nnx.merge(graph, params).embed_text(tokens)

    return Programs(jax.jit(embed_image), jax.jit(embed_text))


def _unit(x: Float[Array, "b d"]) -> Float[Array, "b d"]:
    length: Array = jnp.linalg.norm(x, axis=-1, keepdims=True)
    return x / length
