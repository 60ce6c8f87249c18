"""Matrix products in the precision that networks compute in.

XLA's CPU backend multiplies bfloat16 on a processor's matrix units (AMX) only if the result is
float32. If the result is bfloat16, it converts both factors to float32 first, which takes two to
eight times as long. Other backends sum in float32 inside the hardware and need nothing special.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from flows.nn.precision import products


@jax.custom_vjp
def matmul(x: Float[Array, "*axes c"], matrix: Float[Array, "c c2"]) -> Float[Array, "*axes c2"]:
    """Multiply the last axis by a matrix of the same dtype; its gradient is computed likewise."""
    return chosen(_summed_wide, _product, x, matrix)


def _forward(
    x: Float[Array, "*axes c"], matrix: Float[Array, "c c2"]
) -> tuple[Float[Array, "*axes c2"], tuple[Array, Array]]:
    return matmul(x, matrix), (x, matrix)


def _backward(
    saved: tuple[Array, Array], gradient: Float[Array, "*axes c2"]
) -> tuple[Float[Array, "*axes c"], Float[Array, "c c2"]]:
    x, matrix = saved
    rows, slopes = x.reshape(-1, x.shape[-1]), gradient.reshape(-1, gradient.shape[-1])
    # The second is compiled away where the gradient with respect to the parameters is not used.
    return matmul(gradient, matrix.T), matmul(rows.T, slopes)


matmul.defvjp(_forward, _backward)


def chosen(
    on_cpu: Callable[..., Array], elsewhere: Callable[..., Array], x: Array, other: Array
) -> Array:
    """Apply `on_cpu` to half precision on CPU, else `elsewhere`.

    The platform is known when the program is lowered, not when it is traced.
    """
    if x.dtype.itemsize > 2:
        return elsewhere(x, other)
    product: Array = jax.lax.platform_dependent(x, other, cpu=on_cpu, default=elsewhere)
    return product


def _product(x: Float[Array, "*axes c"], matrix: Float[Array, "c c2"]) -> Array:
    return jnp.matmul(x, matrix, precision=products(x.dtype))


def _summed_wide(x: Float[Array, "*axes c"], matrix: Float[Array, "c c2"]) -> Array:
    precision = products(x.dtype)
    wide = jnp.matmul(x, matrix, precision=precision, preferred_element_type=jnp.float32)
    return wide.astype(x.dtype)
