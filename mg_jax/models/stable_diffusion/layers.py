"""Layers shared by the UNet and the autoencoder, named as in the published weights."""

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from flows.nn.convolution import Conv
from flows.nn.linear import Linear
from mg_jax.nn.group_norm import GroupNorm


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

    def __call__(
        self, x: Float[Array, "b h w c"], time: Float[Array, "b t"]
    ) -> Float[Array, "b h w c2"]:
        """Apply; `time` is the embedding, already through its SiLU."""
        return self.outer(x, self.inner(x) + self.time_emb_proj(time)[:, None, None])


class Upsample(nnx.Module):
    """Twice the size by repeating pixels, then a convolution."""

    def __init__(self, channels: int, *, dtype: DTypeLike, rngs: nnx.Rngs):
        self.conv = Conv(channels, channels, (3, 3), dtype=dtype, rngs=rngs)

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c"]:
        """Repeat, convolve."""
        return self.conv(doubled(x))


def doubled(x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c"]:
    """Double the size by repeating pixels; by broadcasting, so that the gradient is a sum."""
    b, h, w, c = x.shape
    y = jnp.broadcast_to(x[:, :, None, :, None], (b, h, 2, w, 2, c))
    return y.reshape(b, 2 * h, 2 * w, c)
