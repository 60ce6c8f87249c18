"""Posterior mean over a finite set: one attention layer, with no matrix of all pairs kept.

Queries go through in blocks, forward and backward; the backward pass makes its block's weights
anew, so memory is one block times the number of keys.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

# Pairs of query and key alive at a time: 2²² float32 are 16 MiB.
_PAIRS = 2**22


@jax.custom_vjp
def posterior_mean(
    queries: Float[Array, "q d"], keys: Float[Array, "k d"], values: Float[Array, "k c"]
) -> Float[Array, "q c"]:
    """Σ_j softmax_j(query · key_j) · value_j, differentiable in the queries alone.

    Keys and values are the training set: the gradient takes them for constants.
    """
    return _forward(queries, keys, values)


def _forward(
    queries: Float[Array, "q d"], keys: Float[Array, "k d"], values: Float[Array, "k c"]
) -> Float[Array, "q c"]:
    def block(queries: Float[Array, "B d"]) -> Float[Array, "B c"]:
        weights, total = _weights(queries, keys)
        return (weights @ values) / total

    return in_blocks(block, (queries,), keys.shape[0])


def _keep(
    queries: Float[Array, "q d"], keys: Float[Array, "k d"], values: Float[Array, "k c"]
) -> tuple[Float[Array, "q c"], tuple[Array, Array, Array, Array]]:
    mean = _forward(queries, keys, values)
    return mean, (queries, keys, values, mean)


def _backward(
    kept: tuple[Array, Array, Array, Array], cotangent: Float[Array, "q c"]
) -> tuple[Array, None, None]:
    queries, keys, values, mean = kept

    def block(
        queries: Float[Array, "B d"], mean: Float[Array, "B c"], cotangent: Float[Array, "B c"]
    ) -> Float[Array, "B d"]:
        # d mean / d query = Σ_j p_j (value_j − mean) key_jᵀ
        weights, total = _weights(queries, keys)
        offset = jnp.sum(mean * cotangent, axis=-1, keepdims=True)
        return (weights * (cotangent @ values.T - offset)) @ keys / total

    return in_blocks(block, (queries, mean, cotangent), keys.shape[0]), None, None


posterior_mean.defvjp(_keep, _backward)


def _weights(
    queries: Float[Array, "B d"], keys: Float[Array, "k d"]
) -> tuple[Float[Array, "B k"], Float[Array, "B 1"]]:
    logits = jnp.matmul(queries, keys.T, precision=jax.lax.Precision.HIGHEST)
    weights = jnp.exp(logits - jnp.max(logits, axis=-1, keepdims=True))
    return weights, jnp.sum(weights, axis=-1, keepdims=True)


def in_blocks(
    block: Callable[..., Shaped[Array, "B c"]], rows: tuple[Float[Array, "q _"], ...], keys: int
) -> Shaped[Array, "q c"]:
    """Apply `block` to the rows of all `rows`, so many at a time that pairs with `keys` fit."""
    count = rows[0].shape[0]
    size = max(1, min(count, _PAIRS // keys))
    blocks = -(-count // size)

    def split(row: Float[Array, "q _"]) -> Float[Array, "blocks B _"]:
        return jnp.pad(row, ((0, blocks * size - count), (0, 0))).reshape(blocks, size, -1)

    out: Array = jax.lax.map(lambda parts: block(*parts), tuple(split(row) for row in rows))
    return out.reshape(blocks * size, -1)[:count]
