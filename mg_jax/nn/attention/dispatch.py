"""Choose the form of softmax attention that is fastest on the platform at hand.

One traced program holds the forms of all platforms, and lowering keeps that of its platform, so
that a program exported on another machine has the right one. What the fused kernels do not support
is computed in blocks: float32, whose precision must be kept, and other lengths and widths.
"""

from collections.abc import Callable
from functools import partial

import jax
from jaxtyping import Array, Float

from mg_jax.nn.attention import blocked, cudnn, tpu

CPU_BLOCK = 128  # keys at a time; measured fastest of 64 to 4096
_FUSED = 256  # number of queries and keys from which a fused kernel is worth its overhead
_AT_WORK = 2**26  # logits at once on accelerators: 256 MiB in float32


def attend(
    query: Float[Array, "b n heads d"],
    key: Float[Array, "b m heads d"],
    value: Float[Array, "b m heads d"],
) -> Float[Array, "b n heads d"]:
    """Mean of the values weighted by softmax(query · key / √d), head by head.

    Products and result are in the inputs' dtype, softmax and sums in at least float32. No array of
    n · m numbers is kept for the gradient.
    """
    b, n, heads, _ = query.shape
    m = key.shape[1]
    in_small_blocks = partial(blocked.attend, block=CPU_BLOCK)
    if m <= CPU_BLOCK:  # all at once, anywhere
        return in_small_blocks(query, key, value)
    count = -(-b * heads * n * m // _AT_WORK)
    forms: dict[str, Callable[..., Array]] = {
        "cpu": in_small_blocks,
        "default": partial(blocked.attend, block=-(-m // count)),
    }
    if min(n, m) >= _FUSED:
        if cudnn.suits(query, key):
            forms["cuda"] = cudnn.attend
        if tpu.suits(query, key):
            forms["tpu"] = tpu.attend
    out: Array = jax.lax.platform_dependent(query, key, value, **forms)
    return out
