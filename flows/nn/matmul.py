"""Matrix products in the precision that networks compute in.

XLA's CPU backend multiplies bfloat16 on a processor's matrix units (AMX) only where the sum stays
float32; asked for bfloat16 it widens both factors first, which takes two to eight times as long.
Elsewhere sums are float32 inside the hardware, and nothing is to be done.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.custom_vjp
def matmul(x: Float[Array, "*axes c"], matrix: Float[Array, "c c2"]) -> Float[Array, "*axes c2"]:
    """Multiply the last axis by a matrix of the same type; so does the gradient. [*axes c2]."""
    return chosen(_summed_wide, jnp.matmul, x, matrix)


def _forward(
    x: Float[Array, "*axes c"], matrix: Float[Array, "c c2"]
) -> tuple[Float[Array, "*axes c2"], tuple[Array, Array]]:
    return matmul(x, matrix), (x, matrix)


def _backward(
    saved: tuple[Array, Array], gradient: Float[Array, "*axes c2"]
) -> tuple[Float[Array, "*axes c"], Float[Array, "c c2"]]:
    x, matrix = saved
    rows, slopes = x.reshape(-1, x.shape[-1]), gradient.reshape(-1, gradient.shape[-1])
    # The second is compiled away where nobody asks for the gradient of the parameters.
    return matmul(gradient, matrix.T), matmul(rows.T, slopes)


matmul.defvjp(_forward, _backward)


def chosen(
    on_cpu: Callable[..., Array], elsewhere: Callable[..., Array], x: Array, other: Array
) -> Array:
    """The form for half precision on CPU, or the other one; decided where it is lowered."""
    if x.dtype.itemsize > 2:
        return elsewhere(x, other)
    found: Array = jax.lax.platform_dependent(x, other, cpu=on_cpu, default=elsewhere)
    return found


def _summed_wide(x: Float[Array, "*axes c"], matrix: Float[Array, "c c2"]) -> Array:
    return jnp.matmul(x, matrix, preferred_element_type=jnp.float32).astype(x.dtype)
