"""The least precision that sums, norms and coordinates are computed in: float32.

Networks may compute in bfloat16; what needs more digits is widened to float32. float64 stays
float64; it is used only for comparisons with other programs, where rounding errors must not grow.
"""

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
