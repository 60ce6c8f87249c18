"""CLIP's text encoder (Radford et al. 2021); Stable Diffusion is conditioned on its states.

A transformer with causal attention. Parameters are named as in transformers' checkpoints, without
the leading `text_model.`.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int

from flows.nn.precision import products
from mg_jax.models.text.config import TextConfig
from mg_jax.nn.transformer import Encoder, norm


class Embeddings(nnx.Module):
    """Token embeddings plus position embeddings."""

    def __init__(self, config: TextConfig, *, rngs: nnx.Rngs):
        self.token_embedding = nnx.Embed(config.vocabulary, config.width, rngs=rngs)
        self.position_embedding = nnx.Embed(config.length, config.width, rngs=rngs)

    def __call__(self, tokens: Int[Array, "b n"]) -> Float[Array, "b n d"]:
        """Look both up and add them."""
        positions: Array = self.position_embedding(jnp.arange(tokens.shape[1])[None])
        return self.token_embedding(tokens) + positions


class TextEncoder(nnx.Module):
    """Encode tokens as one state each; parameters in float32, linear layers in `dtype`."""

    def __init__(self, config: TextConfig, *, dtype: DTypeLike, rngs: nnx.Rngs):
        self.embeddings = Embeddings(config, rngs=rngs)
        self.encoder = Encoder(config, attend_before, dtype=dtype, rngs=rngs)
        self.final_layer_norm = norm(config.width, rngs=rngs)
        self.length = config.length

    def __call__(self, tokens: Int[Array, "b n"]) -> Float[Array, "b n d"]:
        """Last hidden states after the final layer norm, float32.

        `n` may be less than `config.length`. A token outside the vocabulary makes the sample NaN.
        Raises ValueError when there are more tokens than positions.
        """
        if tokens.shape[1] > self.length:
            raise ValueError(
                f"the text encoder got {tokens.shape[1]} tokens; expected {self.length} at most"
            )
        states: Array = self.final_layer_norm(self.encoder(self.embeddings(tokens)))
        return states


def attend_before(
    query: Float[Array, "b n heads d"],
    key: Float[Array, "b n heads d"],
    value: Float[Array, "b n heads d"],
) -> Float[Array, "b n heads d"]:
    """Causal attention: to the token itself and those before; logits and softmax in float32."""
    n, d = query.shape[1], query.shape[-1]
    precision = products(query.dtype)
    logits = jnp.einsum(
        "bqhc,bkhc->bhqk", query, key, precision=precision, preferred_element_type=jnp.float32
    )
    seen = jnp.tri(n, dtype=bool)[None, None]
    weights = jax.nn.softmax(jnp.where(seen, logits * d**-0.5, -jnp.inf), axis=-1)
    return jnp.einsum("bhqk,bkhc->bqhc", weights.astype(value.dtype), value, precision=precision)
