"""Posterior mean over a finite set: an attention layer in which each tile has its own keys.

A tile is a group of queries that are compared with the same keys. Tiles are processed one at a
time, forward and backward; the backward pass recomputes a tile's weights.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Shaped

FEW = 512
"""Number of keys that is enough for most tiles: those where nothing lands."""


class Candidates(NamedTuple):
    """The keys that each tile of queries is compared with."""

    keys: Int[Array, "tiles n"]  # their indices
    tiles: Int[Array, ""]  # number of tiles in use, the first ones
    few: Bool[Array, " tiles"]  # whether a tile has no keys beyond the first 512


@jax.custom_vjp
def posterior_mean(
    queries: Float[Array, "b tiles q d"],
    keys: Float[Array, "k d"],
    values: Float[Array, "k c"],
    candidates: Candidates,
) -> Float[Array, "b tiles q c"]:
    """Σ_j softmax_j(query · key_j) · value_j over the tile's candidates j; 0 in unused tiles.

    Differentiable with respect to the queries only: keys and values count as constants.
    """

    def tile(chosen: Int[Array, " n"], queries: Float[Array, "b q d"]) -> Float[Array, "b q c"]:
        weights, total = _weights(queries, keys[chosen])
        return (weights @ values[chosen]) / total

    return by_tile(tile, candidates, values.shape[-1], queries)


def _keep(
    queries: Float[Array, "b tiles q d"],
    keys: Float[Array, "k d"],
    values: Float[Array, "k c"],
    candidates: Candidates,
) -> tuple[Float[Array, "b tiles q c"], tuple[Array, Array, Array, Candidates, Array]]:
    mean: Array = posterior_mean(queries, keys, values, candidates)
    return mean, (queries, keys, values, candidates, mean)


def _backward(
    kept: tuple[Array, Array, Array, Candidates, Array],
    cotangent: Float[Array, "b tiles q c"],
) -> tuple[Array, None, None, None]:
    queries, keys, values, candidates, mean = kept

    def tile(
        chosen: Int[Array, " n"],
        queries: Float[Array, "b q d"],
        mean: Float[Array, "b q c"],
        cotangent: Float[Array, "b q c"],
    ) -> Float[Array, "b q d"]:
        # d mean / d query = Σ_j p_j (value_j − mean) key_jᵀ
        near = keys[chosen]
        weights, total = _weights(queries, near)
        offset = jnp.sum(mean * cotangent, axis=-1, keepdims=True)
        return (weights * (cotangent @ values[chosen].T - offset)) @ near / total

    slopes = by_tile(tile, candidates, queries.shape[-1], queries, mean, cotangent)
    return slopes, None, None, None


posterior_mean.defvjp(_keep, _backward)


def by_tile(
    of_tile: Callable[..., Shaped[Array, "b q c"]],
    candidates: Candidates,
    columns: int,
    *arrays: Float[Array, "b tiles q _"],
) -> Float[Array, "b tiles q c"]:
    """Apply `of_tile` to each used tile: its keys' indices and its part of `arrays`.

    `columns` is the size of the result's last axis; the result is 0 in unused tiles.
    """

    def step(i: Int[Array, ""], out: Array) -> Array:
        def part(keys: Int[Array, " n"]) -> Array:
            found: Array = of_tile(keys, *(array[:, i] for array in arrays))
            return found

        keys = candidates.keys[i]
        found = (
            jax.lax.cond(candidates.few[i], lambda: part(keys[:FEW]), lambda: part(keys))
            if keys.size > FEW
            else part(keys)
        )
        return out.at[:, i].set(found)

    shape = (*arrays[0].shape[:-1], columns)
    out: Array = jax.lax.fori_loop(
        jnp.int32(0), candidates.tiles, step, jnp.zeros(shape, arrays[0].dtype)
    )
    return out


def _weights(
    queries: Float[Array, "b q d"], keys: Float[Array, "n d"]
) -> tuple[Float[Array, "b q n"], Float[Array, "b q 1"]]:
    logits = jnp.matmul(queries, keys.T, precision=jax.lax.Precision.HIGHEST)
    weights = jnp.exp(logits - jnp.max(logits, axis=-1, keepdims=True))
    return weights, jnp.sum(weights, axis=-1, keepdims=True)
