"""The transformer of CLIP's text and vision encoders (Radford et al. 2021).

Parameters are named as in transformers' checkpoints.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from flows.nn.linear import Linear

Attend = Callable[
    [Float[Array, "b n heads d"], Float[Array, "b n heads d"], Float[Array, "b n heads d"]],
    Float[Array, "b n heads d"],
]
"""Attention: (query, key, value) -> weighted mean of the values for each query."""


@dataclass(frozen=True)
class TransformerConfig:
    """The size of a transformer."""

    width: int
    layers: int
    heads: int
    hidden: int  # width of the feed-forward layers
    activation: Literal["quick_gelu", "gelu"]


def activate(
    x: Float[Array, "*axes"], kind: Literal["quick_gelu", "gelu"]
) -> Float[Array, "*axes"]:
    """Apply GELU, or the approximation x · sigmoid(1.702 x) that CLIP was trained with."""
    if kind == "quick_gelu":
        return x * jax.nn.sigmoid(1.702 * x)
    return jax.nn.gelu(x, approximate=False)


def norm(width: int, *, rngs: nnx.Rngs) -> nnx.LayerNorm:
    """Layer norm in float32; the variance in two passes, as E[x²] − E[x]² loses digits."""
    return nnx.LayerNorm(width, epsilon=1e-5, dtype=jnp.float32, use_fast_variance=False, rngs=rngs)


class Attention(nnx.Module):
    """Attention between tokens, with several heads."""

    def __init__(
        self, config: TransformerConfig, attend: Attend, *, dtype: DTypeLike, rngs: nnx.Rngs
    ):
        self.q_proj = Linear(config.width, config.width, dtype=dtype, rngs=rngs)
        self.k_proj = Linear(config.width, config.width, dtype=dtype, rngs=rngs)
        self.v_proj = Linear(config.width, config.width, dtype=dtype, rngs=rngs)
        self.out_proj = Linear(config.width, config.width, dtype=dtype, rngs=rngs)
        self.heads = config.heads
        self.attend = attend

    def __call__(self, x: Float[Array, "b n d"]) -> Float[Array, "b n d"]:
        """Attend."""
        b, n, d = x.shape
        q, k, v = (
            project(x).reshape(b, n, self.heads, d // self.heads)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        out: Array = self.out_proj(self.attend(q, k, v).reshape(b, n, d))
        return out


class MLP(nnx.Module):
    """Two linear layers with the activation between them."""

    def __init__(self, config: TransformerConfig, *, dtype: DTypeLike, rngs: nnx.Rngs):
        self.fc1 = Linear(config.width, config.hidden, dtype=dtype, rngs=rngs)
        self.fc2 = Linear(config.hidden, config.width, dtype=dtype, rngs=rngs)
        self.activation = config.activation

    def __call__(self, x: Float[Array, "b n d"]) -> Float[Array, "b n d"]:
        """Transform each token separately."""
        out: Array = self.fc2(activate(self.fc1(x), self.activation))
        return out


class Layer(nnx.Module):
    """Attention, then MLP, each on normalised tokens and added to its input in float32."""

    def __init__(
        self, config: TransformerConfig, attend: Attend, *, dtype: DTypeLike, rngs: nnx.Rngs
    ):
        self.layer_norm1 = norm(config.width, rngs=rngs)
        self.self_attn = Attention(config, attend, dtype=dtype, rngs=rngs)
        self.layer_norm2 = norm(config.width, rngs=rngs)
        self.mlp = MLP(config, dtype=dtype, rngs=rngs)

    def __call__(self, x: Float[Array, "b n d"]) -> Float[Array, "b n d"]:
        """Refine the tokens."""
        x = x + self.self_attn(self.layer_norm1(x)).astype(jnp.float32)
        return x + self.mlp(self.layer_norm2(x)).astype(jnp.float32)


class Encoder(nnx.Module):
    """The layers, one after the other; parameters in float32, linear layers in `dtype`."""

    def __init__(
        self, config: TransformerConfig, attend: Attend, *, dtype: DTypeLike, rngs: nnx.Rngs
    ):
        self.layers = nnx.List(
            [Layer(config, attend, dtype=dtype, rngs=rngs) for _ in range(config.layers)]
        )

    def __call__(self, x: Float[Array, "b n d"]) -> Float[Array, "b n d"]:
        """Refine the tokens layer by layer."""
        for layer in self.layers:
            x = layer(x)
        return x
