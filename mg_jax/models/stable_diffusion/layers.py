"""Layers shared by the UNet and the autoencoder, named as in the published weights."""

import jax
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from flows.nn.convolution import Conv
from flows.nn.linear import Linear
from mg_jax.nn.doubling import convolve_doubled
from mg_jax.nn.group_norm import GroupNorm
from mg_jax.nn.recomputing import Block, Remat, recomputed


class Residual(nnx.Module):
    """Base of the residual blocks: two normalised 3×3 convolutions, added to the input."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        groups: int,
        epsilon: float,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        self.norm1 = GroupNorm(inputs, groups, epsilon)
        self.conv1 = Conv(inputs, outputs, (3, 3), dtype=dtype, rngs=rngs)
        self.norm2 = GroupNorm(outputs, groups, epsilon)
        self.conv2 = Conv(outputs, outputs, (3, 3), dtype=dtype, rngs=rngs)
        self.conv_shortcut = (
            None if inputs == outputs else Conv(inputs, outputs, (1, 1), dtype=dtype, rngs=rngs)
        )

    def inner(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c2"]:
        """Apply the first convolution."""
        return self.conv1(jax.nn.silu(self.norm1(x)))

    def outer(
        self, x: Float[Array, "b h w c"], y: Float[Array, "b h w c2"]
    ) -> Float[Array, "b h w c2"]:
        """Apply the second convolution to `y`, add the input `x`."""
        y = self.conv2(jax.nn.silu(self.norm2(y)))
        return y + (x if self.conv_shortcut is None else self.conv_shortcut(x))


class Resnet(Residual):
    """Residual block of the autoencoder."""

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c2"]:
        """Apply both convolutions."""
        return self.outer(x, self.inner(x))


class TimedResnet(Residual):
    """Residual block of the UNet: the time embedding is added between the convolutions."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        time: int,
        groups: int,
        epsilon: float,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        super().__init__(inputs, outputs, groups=groups, epsilon=epsilon, dtype=dtype, rngs=rngs)
        self.time_emb_proj = Linear(time, outputs, dtype=dtype, rngs=rngs)

    def inner(  # type: ignore[override]
        self, x: Float[Array, "b h w c"], time: Float[Array, "b t"]
    ) -> Float[Array, "b h w c2"]:
        """Apply the first convolution, add the time."""
        return super().inner(x) + self.time_emb_proj(time)[:, None, None]

    def __call__(
        self, x: Float[Array, "b h w c"], time: Float[Array, "b t"]
    ) -> Float[Array, "b h w c2"]:
        """Apply; `time` is the embedding, already through its SiLU."""
        return self.outer(x, self.inner(x, time))


class Upsample(nnx.Module):
    """Twice the size by repeating pixels, then a 3×3 convolution."""

    def __init__(self, channels: int, *, dtype: DTypeLike, rngs: nnx.Rngs):
        self.conv = Conv(channels, channels, (3, 3), dtype=dtype, rngs=rngs)

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c"]:
        """Repeat, convolve."""
        return self.conv.by(convolve_doubled, x)


def resnet_call(remat: Remat, block: Resnet | TimedResnet) -> Block:
    """Return a function that applies a block, each half recomputed if `remat` says so.

    A convolution's gradient needs nothing that it computed. So no convolution is computed again, as
    the first one's would be by halves together, for one more array that is kept.
    """
    match remat:
        case "nothing":
            return block
        case "blocks":
            inner, outer = (
                recomputed(block, half) for half in (type(block).inner, type(block).outer)
            )
            return lambda x, *time: outer(x, inner(x, *time))
