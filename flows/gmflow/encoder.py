"""The convolutional encoder of GMFlow: from an image to features at each scale."""

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from flows.gmflow.config import Config
from flows.nn.convolution import Conv, convolve
from flows.raft.norms import InstanceNorm


class PlainConv(nnx.Module):
    """Convolution without a bias, computed in `dtype`, at any stride."""

    def __init__(self, inputs: int, outputs: int, width: int, *, dtype: DTypeLike, rngs: nnx.Rngs):
        make = nnx.initializers.he_normal()
        self.kernel = nnx.Param(make(rngs.params(), (width, width, inputs, outputs)))
        self.dtype = jnp.dtype(dtype)

    def __call__(self, x: Float[Array, "b h w c"], stride: int = 1) -> Float[Array, "b h2 w2 c2"]:
        """Convolve."""
        return convolve(x.astype(self.dtype), self.kernel.get_value().astype(self.dtype), stride)


class Block(nnx.Module):
    """Residual block of two normalised 3×3 convolutions."""

    def __init__(self, inputs: int, outputs: int, stride: int, *, dtype: DTypeLike, rngs: nnx.Rngs):
        self.inner = PlainConv(inputs, outputs, 3, dtype=dtype, rngs=rngs)
        self.outer = PlainConv(outputs, outputs, 3, dtype=dtype, rngs=rngs)
        self.shortcut = (
            Conv(inputs, outputs, (1, 1), stride=stride, dtype=dtype, rngs=rngs)
            if stride > 1 or inputs != outputs
            else None
        )
        self.norm = InstanceNorm()
        self.stride = stride

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c2"]:
        """Add the convolved input to the input (or to its 1×1 projection), then ReLU."""
        y = jax.nn.relu(self.norm(self.inner(x, self.stride)))
        y = jax.nn.relu(self.norm(self.outer(y)))
        short = x if self.shortcut is None else self.norm(self.shortcut(x))
        return jax.nn.relu(short + y)


class Stage(nnx.Module):
    """Two blocks, the stride in the first."""

    def __init__(self, inputs: int, outputs: int, stride: int, *, dtype: DTypeLike, rngs: nnx.Rngs):
        self.first = Block(inputs, outputs, stride, dtype=dtype, rngs=rngs)
        self.second = Block(outputs, outputs, 1, dtype=dtype, rngs=rngs)

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c2"]:
        """Apply both."""
        return self.second(self.first(x))


class Encoder(nnx.Module):
    """A stride-2 stem, three stages, a 1×1 head and, if there are several scales, a convolution.

    The last one is applied once per scale, at the scale's stride.
    """

    def __init__(self, config: Config, *, dtype: DTypeLike, rngs: nnx.Rngs):
        self.stem = PlainConv(3, config.stages[0], 7, dtype=dtype, rngs=rngs)
        self.norm = InstanceNorm()
        inputs = (config.stages[0], *config.stages[:-1])
        strides = (1, 2, config.stride // 4)
        self.stages = nnx.List(
            [
                Stage(*widths_and_stride, dtype=dtype, rngs=rngs)
                for widths_and_stride in zip(inputs, config.stages, strides, strict=True)
            ]
        )
        self.head = Conv(config.stages[-1], config.features, (1, 1), dtype=dtype, rngs=rngs)
        several = len(config.scales) > 1
        self.branch = (
            PlainConv(config.features, config.features, 3, dtype=dtype, rngs=rngs)
            if several
            else None
        )
        # All scales share one kernel; the finest has stride 1.
        self.strides = tuple(scale.stride // config.stride for scale in config.scales)

    def __call__(self, image: Float[Array, "b h w 3"]) -> tuple[Float[Array, "b _ _ c"], ...]:
        """Encode images, normalised as in training, at each scale: coarse to fine."""
        x = jax.nn.relu(self.norm(self.stem(image, 2)))
        for stage in self.stages:
            x = stage(x)
        x = self.head(x)
        if self.branch is None:
            return (x,)
        return tuple(self.branch(x, stride) for stride in self.strides)
