"""CLIP's text encoder (Radford et al. 2021), as Stable Diffusion is conditioned on it.

A transformer whose tokens see only those before them. Parameters are named as in transformers'
checkpoints, less the leading `text_model.`.
"""

from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int

from mg_jax.models.stable_diffusion.config import TextConfig


def activate(
    x: Float[Array, "*axes"], kind: Literal["quick_gelu", "gelu"]
) -> Float[Array, "*axes"]:
    """Apply GELU, or the approximation x · sigmoid(1.702 x) that CLIP was trained with."""
    if kind == "quick_gelu":
        return x * jax.nn.sigmoid(1.702 * x)
    return jax.nn.gelu(x, approximate=False)


class Embeddings(nnx.Module):
    """What each token means plus where it stands."""

    def __init__(self, config: TextConfig, *, rngs: nnx.Rngs):
        self.token_embedding = nnx.Embed(config.vocabulary, config.width, rngs=rngs)
        self.position_embedding = nnx.Embed(config.length, config.width, rngs=rngs)

    def __call__(self, tokens: Int[Array, "b n"]) -> Float[Array, "b n d"]:
        """Look both up and add them."""
        positions: Array = self.position_embedding(jnp.arange(tokens.shape[1])[None])
        return self.token_embedding(tokens) + positions


class Attention(nnx.Module):
    """Attention of each token to itself and those before it, with several heads."""

    def __init__(self, config: TextConfig, *, dtype: DTypeLike, rngs: nnx.Rngs):
        self.q_proj = nnx.Linear(config.width, config.width, dtype=dtype, rngs=rngs)
        self.k_proj = nnx.Linear(config.width, config.width, dtype=dtype, rngs=rngs)
        self.v_proj = nnx.Linear(config.width, config.width, dtype=dtype, rngs=rngs)
        self.out_proj = nnx.Linear(config.width, config.width, dtype=dtype, rngs=rngs)
        self.heads = config.heads

    def __call__(self, x: Float[Array, "b n d"]) -> Float[Array, "b n d"]:
        """Attend; logits and softmax in float32."""
        b, n, d = x.shape
        q, k, v = (
            project(x).reshape(b, n, self.heads, d // self.heads)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        logits = jnp.einsum("bqhc,bkhc->bhqk", q, k, preferred_element_type=jnp.float32)
        seen = jnp.tri(n, dtype=bool)[None, None]
        weights = jax.nn.softmax(
            jnp.where(seen, logits * (d // self.heads) ** -0.5, -jnp.inf), axis=-1
        )
        mixed = jnp.einsum("bhqk,bkhc->bqhc", weights.astype(v.dtype), v)
        out: Array = self.out_proj(mixed.reshape(b, n, d))
        return out


class MLP(nnx.Module):
    """Two linear layers with the activation between them."""

    def __init__(self, config: TextConfig, *, dtype: DTypeLike, rngs: nnx.Rngs):
        self.fc1 = nnx.Linear(config.width, config.hidden, dtype=dtype, rngs=rngs)
        self.fc2 = nnx.Linear(config.hidden, config.width, dtype=dtype, rngs=rngs)
        self.activation = config.activation

    def __call__(self, x: Float[Array, "b n d"]) -> Float[Array, "b n d"]:
        """Transform each token by itself."""
        out: Array = self.fc2(activate(self.fc1(x), self.activation))
        return out


class Layer(nnx.Module):
    """Attention, then MLP, each on normalised tokens and added to what came in, in float32."""

    def __init__(self, config: TextConfig, *, dtype: DTypeLike, rngs: nnx.Rngs):
        self.layer_norm1 = _norm(config, rngs)
        self.self_attn = Attention(config, dtype=dtype, rngs=rngs)
        self.layer_norm2 = _norm(config, rngs)
        self.mlp = MLP(config, dtype=dtype, rngs=rngs)

    def __call__(self, x: Float[Array, "b n d"]) -> Float[Array, "b n d"]:
        """Refine the tokens."""
        x = x + self.self_attn(self.layer_norm1(x)).astype(jnp.float32)
        return x + self.mlp(self.layer_norm2(x)).astype(jnp.float32)


class Encoder(nnx.Module):
    """The layers, one after the other."""

    def __init__(self, config: TextConfig, *, dtype: DTypeLike, rngs: nnx.Rngs):
        self.layers = nnx.List(
            [Layer(config, dtype=dtype, rngs=rngs) for _ in range(config.layers)]
        )

    def __call__(self, x: Float[Array, "b n d"]) -> Float[Array, "b n d"]:
        """Refine the tokens layer by layer."""
        for layer in self.layers:
            x = layer(x)
        return x


class TextEncoder(nnx.Module):
    """Tokens to what the UNet attends to; parameters in float32, linear layers in `dtype`."""

    def __init__(self, config: TextConfig, *, dtype: DTypeLike, rngs: nnx.Rngs):
        self.embeddings = Embeddings(config, rngs=rngs)
        self.encoder = Encoder(config, dtype=dtype, rngs=rngs)
        self.final_layer_norm = _norm(config, rngs)
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


def _norm(config: TextConfig, rngs: nnx.Rngs) -> nnx.LayerNorm:
    """Layer norm in float32; the variance in two passes, as E[x²] − E[x]² cancels."""
    return nnx.LayerNorm(
        config.width, epsilon=1e-5, dtype=jnp.float32, use_fast_variance=False, rngs=rngs
    )
