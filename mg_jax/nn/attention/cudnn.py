"""Fused attention on NVIDIA's GPUs, forward and backward, by cuDNN."""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

_WIDEST = 128  # largest width of a head; Hopper takes 256, but programs must run on other GPUs, too
_AMPERE = 8.0  # the oldest compute capability that supports it


def suits(query: Float[Array, "b n heads d"], key: Float[Array, "b m heads d"]) -> bool:
    """Whether cuDNN is available and supports arrays of these shapes and dtype."""
    width = query.shape[-1]
    return (
        query.dtype in (jnp.bfloat16, jnp.float16)
        and width % 8 == 0
        and width <= _WIDEST
        and not (query.shape[1] % 2 or key.shape[1] % 2)  # odd ones have no gradient in jax 0.10
        and _found()
    )


def attend(
    query: Float[Array, "b n heads d"],
    key: Float[Array, "b m heads d"],
    value: Float[Array, "b m heads d"],
) -> Float[Array, "b n heads d"]:
    """Attend by cuDNN's kernels; only for arrays that it `suits`."""
    return jax.nn.dot_product_attention(query, key, value, implementation="cudnn")


@functools.cache
def _found() -> bool:
    """Whether JAX finds cuDNN, and every local GPU is new enough for its fused attention."""
    gpus = [device for device in jax.local_devices() if device.platform == "gpu"]
    if any(float(gpu.compute_capability) < _AMPERE for gpu in gpus):
        return False
    try:
        jax.eval_shape(lambda: attend(*[jnp.zeros((1, 128, 1, 64), jnp.bfloat16)] * 3))
    except (RuntimeError, NotImplementedError):
        return False
    return True
