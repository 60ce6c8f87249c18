"""Norms of a group's channels and of a pixel's, each with a scale and a shift."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from flows.nn.moments import moments, over, standardize
from flows.nn.precision import widened


class GroupNorm(nnx.Module):
    """Groups of channels to zero mean and unit variance; in at least float32."""

    def __init__(self, channels: int, groups: int, epsilon: float):
        self.scale = nnx.Param(jnp.ones(channels))
        self.bias = nnx.Param(jnp.zeros(channels))
        self.groups = groups
        self.epsilon = epsilon

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        """Normalise over height, width and the channels of a group, scale, shift.

        By sums over the picture first and over a group's channels then, which leaves one pass of
        multiply and add over the picture.
        """
        b, h, w, c = x.shape
        wide = widened(x)
        count = h * w * c // self.groups

        def of_groups(values: Float[Array, "b h w c"]) -> Float[Array, "b groups"]:
            return values.sum((1, 2)).reshape(b, self.groups, -1).sum(-1) / count

        mean = of_groups(wide)
        variance = jnp.maximum(of_groups(jnp.square(wide)) - jnp.square(mean), 0.0)
        share = (1, c // self.groups)
        deviation = jnp.repeat(jax.lax.rsqrt(variance + self.epsilon), share[1], axis=1)
        scale = deviation * self.scale.get_value()[None]
        shift = self.bias.get_value()[None] - jnp.repeat(mean, share[1], axis=1) * scale
        y = wide * scale[:, None, None] + shift[:, None, None]
        return y.astype(x.dtype)


class LayerNorm(nnx.Module):
    """Each pixel's channels to zero mean and unit variance; in at least float32."""

    def __init__(self, channels: int, epsilon: float):
        self.scale = nnx.Param(jnp.ones(channels))
        self.bias = nnx.Param(jnp.zeros(channels))
        self.epsilon = epsilon

    def __call__(self, x: Float[Array, "b n c"]) -> Float[Array, "b n c"]:
        """Normalise, scale, shift."""
        wide = widened(x)
        y = standardize(wide, *moments(wide, over(-1)), self.epsilon)
        y = y * self.scale.get_value()[None, None] + self.bias.get_value()[None, None]
        return y.astype(x.dtype)
