"""Softmax attention whose memory grows linearly with the sequence length.

Keys are processed in blocks: forward with the running maximum, sum and mean of Rabe & Staats 2021;
backward the weights are recomputed from the stored logarithm of their sum (Dao et al. 2022). Logits
are laid out [keys, queries], so that reductions run along rows of contiguous queries.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from flows.nn.precision import products, wide, widened


def attend(
    query: Float[Array, "b n heads d"],
    key: Float[Array, "b m heads d"],
    value: Float[Array, "b m heads d"],
    block: int,
) -> Float[Array, "b n heads d"]:
    """Attend with `block` keys at a time, or all if there are fewer.

    No array of n · m numbers is kept for the gradient; b · heads · n · `block` are in use at once.
    """
    scale = query.shape[-1] ** -0.5
    q, k, v = (jnp.swapaxes(x, 1, 2) for x in (query * scale, key, value))
    return jnp.swapaxes(_attend(q, k, v, block), 1, 2)


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def _attend(
    q: Float[Array, "b heads n d"],
    k: Float[Array, "b heads m d"],
    v: Float[Array, "b heads m d"],
    block: int,
) -> Float[Array, "b heads n d"]:
    return _forward(q, k, v, block)[0]


def _forward(
    q: Float[Array, "b heads n d"],
    k: Float[Array, "b heads m d"],
    v: Float[Array, "b heads m d"],
    block: int,
) -> tuple[Float[Array, "b heads n d"], tuple[Array, ...]]:
    rows = q.shape[:-1]

    def add(
        carry: tuple[Array, Array, Array], block: tuple[Array, Array, Array]
    ) -> tuple[tuple[Array, Array, Array], None]:
        top, total, mean = carry
        key, value, penalty = block
        logits = _logits(q, key, penalty)
        higher = jnp.maximum(top, jnp.max(logits, axis=-2))
        weights = jnp.exp(logits - higher[..., None, :])
        old = jnp.exp(top - higher)
        part = _product("bhmd,bhmn->bhdn", value, weights.astype(v.dtype))
        return (
            higher,
            total * old + jnp.sum(weights, axis=-2),
            mean * old[..., None, :] + part,
        ), None

    start = (
        jnp.full(rows, -jnp.inf, wide(q.dtype)),
        jnp.zeros(rows, wide(q.dtype)),
        jnp.zeros((*rows[:-1], v.shape[-1], rows[-1]), wide(q.dtype)),
    )
    (top, total, mean), _ = jax.lax.scan(add, start, _blocks(k, v, block))
    out = jnp.swapaxes(mean / total[..., None, :], -1, -2).astype(q.dtype)
    return out, (q, k, v, out, top + jnp.log(total))


def _backward(
    block: int, saved: tuple[Array, ...], gradient: Float[Array, "b heads n d"]
) -> tuple[Array, Array, Array]:
    q, k, v, out, log_total = saved
    mean_slope = jnp.sum(widened(gradient) * widened(out), axis=-1)

    def add(
        of_q: Float[Array, "b heads d n"], block: tuple[Array, Array, Array]
    ) -> tuple[Float[Array, "b heads d n"], tuple[Array, Array]]:
        key, value, penalty = block
        weights = jnp.exp(_logits(q, key, penalty) - log_total[..., None, :])
        slope = _product("bhmd,bhnd->bhmn", value, gradient)
        of_logits = (weights * (slope - mean_slope[..., None, :])).astype(q.dtype)
        of_q = of_q + _product("bhmd,bhmn->bhdn", key, of_logits)
        of_key, of_value = (
            _product("bhmn,bhnd->bhmd", rows, x)
            for rows, x in ((of_logits, q), (weights.astype(v.dtype), gradient))
        )
        return of_q, (of_key.astype(k.dtype), of_value.astype(v.dtype))

    b, heads, n, d = q.shape
    start = jnp.zeros((b, heads, d, n), wide(q.dtype))
    of_q, blocks = jax.lax.scan(add, start, _blocks(k, v, block))
    of_k, of_v = (_joined(x, k.shape[2]) for x in blocks)
    return jnp.swapaxes(of_q, -1, -2).astype(q.dtype), of_k, of_v


_attend.defvjp(_forward, _backward)


def _logits(
    q: Float[Array, "b heads n d"], key: Float[Array, "b heads m d"], penalty: Array
) -> Float[Array, "b heads m n"]:
    return _product("bhmd,bhnd->bhmn", key, q) + penalty[None, None, :, None]


def _product(
    axes: str, x: Float[Array, "b heads _ _"], y: Float[Array, "b heads _ _"]
) -> Float[Array, "b heads _ _"]:
    """A product of two arrays of one dtype, summed in at least float32."""
    return jnp.einsum(axes, x, y, precision=products(x.dtype), preferred_element_type=wide(x.dtype))


def _blocks(
    k: Float[Array, "b heads m d"], v: Float[Array, "b heads m d"], block: int
) -> tuple[Float[Array, "blocks b heads size d"], Float[Array, "blocks b heads size d"], Array]:
    """Cut keys and values into blocks of one size; padding in the last one has weight 0."""
    m = k.shape[2]
    size = min(block, m)
    count = -(-m // size)

    def cut(x: Float[Array, "b heads m d"]) -> Float[Array, "blocks b heads size d"]:
        b, heads, _, d = x.shape
        x = jnp.pad(x, ((0, 0), (0, 0), (0, count * size - m), (0, 0)))
        return jnp.moveaxis(x.reshape(b, heads, count, size, d), 2, 0)

    penalty = jnp.where(jnp.arange(count * size) < m, 0.0, -jnp.inf)
    return cut(k), cut(v), penalty.reshape(count, size)


def _joined(blocks: Float[Array, "blocks b heads size d"], m: int) -> Float[Array, "b heads m d"]:
    count, b, heads, size, d = blocks.shape
    return jnp.moveaxis(blocks, 0, 2).reshape(b, heads, count * size, d)[:, :, :m]
