"""Layer normalisation (Ba et al. 2016), with a scale and a shift."""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from flows.nn.moments import moments, over, standardize
from flows.nn.precision import widened


class LayerNorm(nnx.Module):
    """Normalise the last axis, then scale and shift; computed in at least float32."""

    def __init__(self, channels: int, epsilon: float):
        self.scale = nnx.Param(jnp.ones(channels))
        self.bias = nnx.Param(jnp.zeros(channels))
        self.epsilon = epsilon

    def __call__(self, x: Float[Array, "*axes c"]) -> Float[Array, "*axes c"]:
        """Normalise, scale, shift."""
        wide = widened(x)
        y = standardize(wide, *moments(wide, over(-1)), self.epsilon)
        row = (1,) * (x.ndim - 1) + (-1,)
        y = y * self.scale.get_value().reshape(row) + self.bias.get_value().reshape(row)
        return y.astype(x.dtype)
