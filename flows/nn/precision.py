"""Precision of sums and of products.

The least that sums, norms and coordinates are computed in is float32.

Networks may compute in bfloat16; what needs more digits is widened to float32. float64 stays
float64; it is used only for comparisons with other programs, where rounding errors must not grow.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float


def wide(dtype: DTypeLike) -> np.dtype[np.floating]:
    """Return float64 for float64, float32 for any other dtype."""
    return np.dtype(np.float64 if jnp.dtype(dtype) == np.float64 else np.float32)


def widened(x: Float[Array, "*axes"]) -> Float[Array, "*axes"]:
    """Convert to at least float32."""
    return x.astype(wide(x.dtype))


def products(dtype: DTypeLike) -> jax.lax.Precision | None:
    """Return the precision of matrix products and convolutions of that dtype, as JAX takes it.

    float32 and float64 keep all their digits: by default TPUs round factors of float32 to bfloat16,
    and GPUs to TensorFloat-32. Where JAX has been told of a precision for all products
    (`jax.default_matmul_precision`), it is None, which leaves it to JAX.
    """
    if jax.config.jax_default_matmul_precision is not None:  # type: ignore[attr-defined]
        return None
    if jnp.dtype(dtype).itemsize > 2:
        return jax.lax.Precision.HIGHEST
    return jax.lax.Precision.DEFAULT
