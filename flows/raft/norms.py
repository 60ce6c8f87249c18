"""Normalisation layers of the encoders."""

from typing import Literal

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from flows.nn.moments import moments, over, standardize
from flows.nn.precision import widened

EPSILON = 1e-5

Norm = Literal["none", "instance", "batch"]
Statistics = Literal["running", "batch"]


class Identity(nnx.Module):
    """No normalisation: the small model's context encoder."""

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        """Return `x`."""
        return x


class InstanceNorm(nnx.Module):
    """Normalise each sample and channel to zero mean and unit variance; no parameters."""

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        """Normalise over height and width."""
        wide = widened(x)
        return standardize(wide, *moments(wide, over(1, 2)), EPSILON).astype(x.dtype)


class BatchNorm(nnx.Module):
    """Normalise channels by the stored running statistics, or by those of the current batch.

    The stored ones are never updated. `"running"` is what trained weights are evaluated with;
    `"batch"` is what a PyTorch RAFT computes if it was never switched to evaluation mode.
    """

    def __init__(self, channels: int, statistics: Statistics):
        self.scale = nnx.Param(jnp.ones(channels))
        self.bias = nnx.Param(jnp.zeros(channels))
        self.mean = nnx.BatchStat(jnp.zeros(channels))
        self.variance = nnx.BatchStat(jnp.ones(channels))
        self.statistics: Statistics = statistics

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        """Normalise over batch, height and width, then scale and shift."""
        row = (1, 1, 1, -1)
        wide = widened(x)
        if self.statistics == "batch":
            mean, variance = moments(wide, over(0, 1, 2))
        else:
            mean = self.mean.get_value().reshape(row)
            variance = self.variance.get_value().reshape(row)
        y = standardize(wide, mean, variance, EPSILON)
        y = y * self.scale.get_value().reshape(row) + self.bias.get_value().reshape(row)
        return y.astype(x.dtype)


def make_norm(norm: Norm, channels: int, statistics: Statistics) -> nnx.Module:
    """Return the layer called `norm` for that many channels."""
    match norm:
        case "none":
            return Identity()
        case "instance":
            return InstanceNorm()
        case "batch":
            return BatchNorm(channels, statistics)
