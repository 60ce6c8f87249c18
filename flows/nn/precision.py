"""The least precision that sums, norms and coordinates are computed in: float32.

Networks may compute in bfloat16, and what needs more digits is widened to float32. What is float64
already stays so: nothing but the comparison with another program, where rounding must not grow,
asks for that.
"""

import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float


def wide(dtype: DTypeLike) -> np.dtype[np.floating]:
    """float32, or float64 for float64."""
    return np.dtype(np.float64 if jnp.dtype(dtype) == np.float64 else np.float32)


def widened(x: Float[Array, "*axes"]) -> Float[Array, "*axes"]:
    """The same values as at least float32."""
    return x.astype(wide(x.dtype))
