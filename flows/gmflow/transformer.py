"""The transformer of GMFlow: each image's features attend to themselves and to the other's."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from flows.gmflow.config import Config
from flows.gmflow.windows import Windows
from flows.nn.layer_norm import LayerNorm
from flows.nn.linear import Linear
from flows.nn.precision import products, wide

_EPSILON = 1e-5  # of layer norms
_STRANGER = -100.0  # added to the logits of masked pairs (`Windows.strangers`), as in training


def attend(
    query: Float[Array, "b h w c"],
    key: Float[Array, "b h w c"],
    value: Float[Array, "b h w c"],
    windows: Windows,
) -> Float[Array, "b h w c"]:
    """Scaled dot-product attention inside each window; softmax in at least float32."""
    queries, keys, values = (windows.cut(x) for x in (query, key, value))
    precision = products(query.dtype)
    likeness = jnp.einsum(
        "bnqc,bnkc->bnqk",
        queries,
        keys,
        precision=precision,
        preferred_element_type=wide(query.dtype),
    )
    logits = likeness * query.shape[-1] ** -0.5
    if windows.shift != (0, 0):
        logits = logits + jnp.where(windows.strangers()[None], _STRANGER, 0.0).astype(logits.dtype)
    weights = jax.nn.softmax(logits, -1).astype(value.dtype)
    mean = jnp.einsum("bnqk,bnkc->bnqc", weights, values, precision=precision)
    return windows.joined(mean)


class Attention(nnx.Module):
    """Attention with one head, an output projection and a layer norm."""

    def __init__(self, channels: int, *, dtype: DTypeLike, rngs: nnx.Rngs):
        self.query = Linear(channels, channels, bias=False, dtype=dtype, rngs=rngs)
        self.key = Linear(channels, channels, bias=False, dtype=dtype, rngs=rngs)
        self.value = Linear(channels, channels, bias=False, dtype=dtype, rngs=rngs)
        self.merge = Linear(channels, channels, bias=False, dtype=dtype, rngs=rngs)
        self.norm = LayerNorm(channels, _EPSILON)

    def __call__(
        self, x: Float[Array, "b h w c"], other: Float[Array, "b h w c"], windows: Windows
    ) -> Float[Array, "b h w c"]:
        """Return the message to `x` (queries) from `other` (keys and values)."""
        message = attend(self.query(x), self.key(other), self.value(other), windows)
        return self.norm(self.merge(message))


class Layer(nnx.Module):
    """Self-attention, cross-attention to the other image, an MLP."""

    def __init__(self, channels: int, widening: int, *, dtype: DTypeLike, rngs: nnx.Rngs):
        both = 2 * channels
        self.own = Attention(channels, dtype=dtype, rngs=rngs)
        self.other = Attention(channels, dtype=dtype, rngs=rngs)
        self.widen = Linear(both, both * widening, bias=False, dtype=dtype, rngs=rngs)
        self.narrow = Linear(both * widening, channels, bias=False, dtype=dtype, rngs=rngs)
        self.norm = LayerNorm(channels, _EPSILON)

    def __call__(
        self, x: Float[Array, "b h w c"], other: Float[Array, "b h w c"], windows: Windows
    ) -> Float[Array, "b h w c"]:
        """Return `x` updated by both images' features."""
        x = x + self.own(x, x, windows)
        message = jnp.concatenate([x, self.other(x, other, windows)], -1)
        inner = jax.nn.gelu(self.widen(message), approximate=False)
        return x + self.norm(self.narrow(inner))


class Transformer(nnx.Module):
    """A stack of layers, every other one with shifted windows; all scales share the weights."""

    def __init__(self, config: Config, *, dtype: DTypeLike, rngs: nnx.Rngs):
        self.layers = nnx.List(
            [
                Layer(config.features, config.widening, dtype=dtype, rngs=rngs)
                for _ in range(config.layers)
            ]
        )

    def __call__(
        self,
        first: Float[Array, "b h w c"],
        second: Float[Array, "b h w c"],
        splits: tuple[int, int],
    ) -> tuple[Float[Array, "b h w c"], Float[Array, "b h w c"]]:
        """Return both images' features, each enhanced by the other's; `splits` as of `Windows`.

        Both images go through the same layers, as one batch.
        """
        both = jnp.concatenate([first, second])
        _, h, w, _ = both.shape
        pair = [Windows(h, w, splits, shifted) for shifted in (False, True)]
        graph, _ = nnx.split(self.layers[0])

        # A loop whose steps are recomputed for the gradient: otherwise the hidden activations of
        # all layers' MLPs would take most of the memory.
        @partial(jax.checkpoint, prevent_cse=False)
        def step(both: Array, params: list[nnx.State[Any, Any]]) -> tuple[Array, None]:
            for windows, weights in zip(pair, params, strict=True):
                layer = nnx.merge(graph, weights)
                both = layer(both, jnp.roll(both, len(first), 0), windows)
            return both, None

        params = [nnx.split(layer)[1] for layer in self.layers]
        pairs = [jax.tree.map(lambda *x: jnp.stack(x), *params[start::2]) for start in (0, 1)]
        both, _ = jax.lax.scan(step, both, pairs)
        return both[: len(first)], both[len(first) :]
