"""Fused attention on TPUs, forward and backward, by JAX's Pallas kernel."""

import math

import jax.numpy as jnp
from jaxtyping import Array, Float

_LANES = 128  # width of a TPU's vector registers; lengths and wide heads must be multiples of it
_LONGEST = 512  # most queries or keys in a block
_ROOM = 2**17  # most numbers in a block of queries or keys, so that all fit in the fast memory


def suits(query: Float[Array, "b n heads d"], key: Float[Array, "b m heads d"]) -> bool:
    """Whether the kernel supports arrays of these shapes and dtype."""
    lengths = (query.shape[1], key.shape[1])
    return query.dtype == jnp.bfloat16 and all(length % _LANES == 0 for length in lengths)


def attend(
    query: Float[Array, "b n heads d"],
    key: Float[Array, "b m heads d"],
    value: Float[Array, "b m heads d"],
) -> Float[Array, "b n heads d"]:
    """Attend by the kernel; only for arrays that it `suits`."""
    from jax.experimental.pallas.ops.tpu import flash_attention as pallas  # slow to import

    width = query.shape[-1]
    # The kernel takes heads narrower than a register, but wider ones by whole registers only.
    missing = -width % _LANES if width > _LANES else 0
    q, k, v = (
        jnp.pad(jnp.swapaxes(x, 1, 2), ((0, 0), (0, 0), (0, 0), (0, missing)))
        for x in (query, key, value)
    )
    of_q, of_k = (math.gcd(x.shape[2], min(_LONGEST, _ROOM // x.shape[3])) for x in (q, k))
    sizes = pallas.BlockSizes(
        block_q=of_q,
        block_k_major=of_k,
        block_k=of_k,
        block_b=1,
        block_q_major_dkv=of_q,
        block_k_major_dkv=of_k,
        block_k_dkv=of_k,
        block_q_dkv=of_q,
        block_k_major_dq=of_k,
        block_k_dq=of_k,
        block_q_dq=of_q,
    )
    out: Array = pallas.flash_attention(q, k, v, sm_scale=width**-0.5, block_sizes=sizes)
    return jnp.swapaxes(out[..., :width], 1, 2)
