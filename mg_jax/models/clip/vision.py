"""CLIP's vision transformer: a picture to the state of the token that sees all of it.

Parameters are named as in transformers' checkpoints, less the leading `vision_model.`; there the
first norm is indeed called `pre_layrnorm`.
"""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from mg_jax.models.clip.config import VisionConfig
from mg_jax.nn.attention import attend
from mg_jax.nn.transformer import Encoder, norm


class Embeddings(nnx.Module):
    """What each patch shows plus where it stands, after a token for the whole picture."""

    def __init__(self, config: VisionConfig, *, rngs: nnx.Rngs):
        window = (config.patch, config.patch)
        self.patch_embedding = nnx.Conv(
            3, config.width, window, strides=window, padding="VALID", use_bias=False, rngs=rngs
        )
        self.class_embedding = nnx.Param(jnp.zeros(config.width))
        self.position_embedding = nnx.Embed(config.tokens, config.width, rngs=rngs)

    def __call__(self, pixels: Float[Array, "b s s 3"]) -> Float[Array, "b n d"]:
        """Cut into patches, row by row."""
        patches: Array = self.patch_embedding(pixels)
        b, *_, d = patches.shape
        whole = jnp.broadcast_to(self.class_embedding.get_value(), (b, 1, d))
        tokens = jnp.concatenate([whole, patches.reshape(b, -1, d)], axis=1)
        positions: Array = self.position_embedding(jnp.arange(tokens.shape[1])[None])
        return tokens + positions


class VisionEncoder(nnx.Module):
    """Pictures to one state each; float32."""

    def __init__(self, config: VisionConfig, *, rngs: nnx.Rngs):
        self.embeddings = Embeddings(config, rngs=rngs)
        self.pre_layrnorm = norm(config.width, rngs=rngs)
        self.encoder = Encoder(config, attend, dtype=jnp.float32, rngs=rngs)
        self.post_layernorm = norm(config.width, rngs=rngs)

    def __call__(self, pixels: Float[Array, "b s s 3"]) -> Float[Array, "b d"]:
        """Last state of the first token, normalised. `s` is `config.size`, pixels as prepared."""
        tokens = self.encoder(self.pre_layrnorm(self.embeddings(pixels)))
        state: Array = self.post_layernorm(tokens[:, 0])
        return state
