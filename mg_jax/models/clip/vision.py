"""CLIP's vision transformer: from a picture to the state of its class token.

Parameters are named as in transformers' checkpoints, without the leading `vision_model.`; the
first norm is really called `pre_layrnorm` there.
"""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from mg_jax.models.clip.config import VisionConfig
from mg_jax.nn.attention import attend
from mg_jax.nn.transformer import Encoder, norm


class Embeddings(nnx.Module):
    """Embeddings of the class token and all patches, plus their position embeddings."""

    def __init__(self, config: VisionConfig, *, rngs: nnx.Rngs):
        window = (config.patch, config.patch)
        self.patch_embedding = nnx.Conv(
            3, config.width, window, strides=window, padding="VALID", use_bias=False, rngs=rngs
        )
        self.class_embedding = nnx.Param(jnp.zeros(config.width))
        self.position_embedding = nnx.Embed(config.tokens, config.width, rngs=rngs)

    def __call__(self, pixels: Float[Array, "b s s 3"]) -> Float[Array, "b n d"]:
        """Return the class token, then the patches row by row."""
        patches: Array = self.patch_embedding(pixels)
        b, *_, d = patches.shape
        whole = jnp.broadcast_to(self.class_embedding.get_value(), (b, 1, d))
        tokens = jnp.concatenate([whole, patches.reshape(b, -1, d)], axis=1)
        positions: Array = self.position_embedding(jnp.arange(tokens.shape[1])[None])
        return tokens + positions


class VisionEncoder(nnx.Module):
    """Encode each picture as one state; float32."""

    def __init__(self, config: VisionConfig, *, rngs: nnx.Rngs):
        self.embeddings = Embeddings(config, rngs=rngs)
        self.pre_layrnorm = norm(config.width, rngs=rngs)
        self.encoder = Encoder(config, attend, dtype=jnp.float32, rngs=rngs)
        self.post_layernorm = norm(config.width, rngs=rngs)

    def __call__(self, pixels: Float[Array, "b s s 3"]) -> Float[Array, "b d"]:
        """Return the class token's last state, normalised; pixels as `preparing.prepare` gives."""
        tokens = self.encoder(self.pre_layrnorm(self.embeddings(pixels)))
        state: Array = self.post_layernorm(tokens[:, 0])
        return state
