"""The convolutional encoder of RAFT: from an image to features at an eighth of its size."""

from typing import Literal

import jax
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from flows.nn.convolution import Conv
from flows.raft.layers import NormedConv
from flows.raft.norms import Norm, Statistics


class Block(nnx.Module):
    """Residual block of two 3×3 convolutions, or a bottleneck of 1×1, 3×3, 1×1."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        kind: Literal["bottleneck", "residual"],
        stride: int,
        norm: Norm,
        statistics: Statistics,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        def normed(inputs: int, outputs: int, width: int, stride: int = 1) -> NormedConv:
            return NormedConv(
                inputs,
                outputs,
                width,
                stride=stride,
                norm=norm,
                statistics=statistics,
                dtype=dtype,
                rngs=rngs,
            )

        match kind:
            case "bottleneck":
                inner = outputs // 4
                convs = [
                    normed(inputs, inner, 1),
                    normed(inner, inner, 3, stride),
                    normed(inner, outputs, 1),
                ]
            case "residual":
                convs = [normed(inputs, outputs, 3, stride), normed(outputs, outputs, 3)]
        self.convs = nnx.List(convs)
        # At stride 1 widths do not change either, and the input itself is added.
        self.shortcut = normed(inputs, outputs, 1, stride) if stride > 1 else None

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c2"]:
        """Add the convolved input to the input (or to its 1×1 projection), then ReLU."""
        y = x
        for layer in self.convs:
            y = jax.nn.relu(layer(y))
        short = x if self.shortcut is None else self.shortcut(x)
        return jax.nn.relu(short + y)


class Stage(nnx.Module):
    """Two blocks, the stride in the first."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int,
        *,
        block: Literal["bottleneck", "residual"],
        norm: Norm,
        statistics: Statistics,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        def make(inputs: int, stride: int) -> Block:
            return Block(
                inputs,
                outputs,
                kind=block,
                stride=stride,
                norm=norm,
                statistics=statistics,
                dtype=dtype,
                rngs=rngs,
            )

        self.first = make(inputs, stride)
        self.second = make(outputs, 1)

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c2"]:
        """Apply both."""
        return self.second(self.first(x))


class Encoder(nnx.Module):
    """A stride-2 stem, three stages (the last two at stride 2), a 1×1 head."""

    def __init__(
        self,
        stages: tuple[int, int, int],
        outputs: int,
        *,
        block: Literal["bottleneck", "residual"],
        norm: Norm,
        statistics: Statistics,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        self.stem = NormedConv(
            3, stages[0], 7, stride=2, norm=norm, statistics=statistics, dtype=dtype, rngs=rngs
        )
        inputs = (stages[0], *stages[:-1])
        self.stages = nnx.List(
            [
                Stage(
                    *widths_and_stride,
                    block=block,
                    norm=norm,
                    statistics=statistics,
                    dtype=dtype,
                    rngs=rngs,
                )
                for widths_and_stride in zip(inputs, stages, (1, 2, 2), strict=True)
            ]
        )
        self.head = Conv(stages[-1], outputs, (1, 1), dtype=dtype, rngs=rngs)

    def __call__(self, image: Float[Array, "b h w 3"]) -> Float[Array, "b h8 w8 c"]:
        """Encode images in [-1, 1] whose sides are multiples of 8."""
        x = jax.nn.relu(self.stem(image))
        for stage in self.stages:
            x = stage(x)
        return self.head(x)
