"""Convolutions followed by a normalisation or a ReLU."""

import jax
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from flows.nn.convolution import Conv
from flows.raft.norms import Norm, Statistics, make_norm


class NormedConv(nnx.Module):
    """Convolution, then normalisation."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        width: int,
        *,
        stride: int = 1,
        norm: Norm,
        statistics: Statistics,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        self.conv = Conv(inputs, outputs, (width, width), stride=stride, dtype=dtype, rngs=rngs)
        self.norm = make_norm(norm, outputs, statistics)

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c2"]:
        """Convolve and normalise."""
        y: Float[Array, "b h2 w2 c2"] = self.norm(self.conv(x))
        return y


class ReluStack(nnx.Module):
    """Convolutions, each followed by a ReLU; `convs` holds (channels, kernel width) of each."""

    def __init__(
        self,
        inputs: int,
        convs: tuple[tuple[int, int], ...],
        *,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        widths = (inputs, *(outputs for outputs, _ in convs))
        self.convs = nnx.List(
            [
                Conv(before, after, (width, width), dtype=dtype, rngs=rngs)
                for before, (after, width) in zip(widths, convs, strict=False)
            ]
        )

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c2"]:
        """Apply them in turn."""
        for layer in self.convs:
            x = jax.nn.relu(layer(x))
        return x
