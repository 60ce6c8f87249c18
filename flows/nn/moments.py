"""Mean and variance, shared by all normalisation layers."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Average = Callable[[Float[Array, "*axes"]], Float[Array, "..."]]
"""Means of an array, in a shape that can be subtracted from it."""


def over(*axes: int) -> Average:
    """Return the average over whole axes, which are kept with size 1."""
    return lambda x: jnp.mean(x, axes, keepdims=True)


def moments(
    x: Float[Array, "*axes"], average: Average
) -> tuple[Float[Array, "*#axes"], Float[Array, "*#axes"]]:
    """Mean and biased variance.

    In two passes. E[x²] − E[x]² needs one pass only, but was measured no faster, and it loses
    digits where the mean is larger than the deviation: all of float32's where it is three thousand
    times as large.
    """
    mean = average(x)
    return mean, average(jnp.square(x - mean))


def standardize(
    x: Float[Array, "*axes"],
    mean: Float[Array, "*#axes"],
    variance: Float[Array, "*#axes"],
    epsilon: float,
) -> Float[Array, "*axes"]:
    """Subtract the mean, divide by the standard deviation; epsilon is added inside the root."""
    return (x - mean) * jax.lax.rsqrt(variance + epsilon)
