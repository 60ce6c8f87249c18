"""Group normalisation (Wu & He 2018), with a scale and a shift."""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from flows.nn.moments import moments, standardize
from flows.nn.precision import widened


class GroupNorm(nnx.Module):
    """Normalise groups of channels to zero mean and unit variance; in at least float32."""

    def __init__(self, channels: int, groups: int, epsilon: float):
        self.scale = nnx.Param(jnp.ones(channels))
        self.bias = nnx.Param(jnp.zeros(channels))
        self.groups = groups
        self.epsilon = epsilon

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        """Normalise over height, width and the channels of a group, scale, shift."""
        b, h, w, c = x.shape
        count = h * w * c // self.groups

        def average(values: Float[Array, "b h w c"]) -> Float[Array, "b 1 1 c"]:
            # Sum over the picture first: with an axis for groups the gradient takes twice as long.
            sums = values.sum((1, 2)).reshape(b, self.groups, -1).sum(-1)
            return jnp.repeat(sums / count, c // self.groups, axis=1)[:, None, None]

        wide = widened(x)
        y = standardize(wide, *moments(wide, average), self.epsilon)
        y = y * self.scale.get_value()[None, None, None] + self.bias.get_value()[None, None, None]
        return y.astype(x.dtype)
