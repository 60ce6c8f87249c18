"""The autoencoder between images and latents. Module names are those of the published weights."""

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from flows.nn.convolution import Conv
from flows.nn.linear import Linear
from flows.nn.precision import widened
from mg_jax.models.stable_diffusion.config import VAEConfig
from mg_jax.models.stable_diffusion.layers import Resnet, Upsample, resnet_call
from mg_jax.nn.attention import attend
from mg_jax.nn.group_norm import GroupNorm
from mg_jax.nn.recomputing import Remat, block_call

_EPSILON = 1e-6


class VAE(nnx.Module):
    """Encoder and decoder. Latents are scaled to about unit variance, images in [-1, 1]."""

    def __init__(
        self, config: VAEConfig, *, dtype: DTypeLike, remat: Remat = "blocks", rngs: nnx.Rngs
    ):
        doubled = 2 * config.latent
        self.encoder = Encoder(config, dtype=dtype, rngs=rngs)
        self.decoder = Decoder(config, dtype=dtype, remat=remat, rngs=rngs)
        self.quant_conv = Conv(doubled, doubled, (1, 1), dtype=dtype, rngs=rngs)
        self.post_quant_conv = Conv(config.latent, config.latent, (1, 1), dtype=dtype, rngs=rngs)
        self.scale = config.scale

    def encode(self, image: Float[Array, "b H W 3"]) -> Float[Array, "b h w c"]:
        """Encode an image as the mean of its latents; sides are multiples of `config.factor`."""
        moments = self.quant_conv(self.encoder(image))
        mean, _ = jnp.split(widened(moments), 2, axis=-1)
        return mean * self.scale

    def decode(self, latent: Float[Array, "b h w c"]) -> Float[Array, "b H W 3"]:
        """Decode a latent to an image, not clipped to [-1, 1]. The result is at least float32."""
        return widened(self.decoder(self.post_quant_conv(latent / self.scale)))


class Encoder(nnx.Module):
    """Encode an image as mean and log-variance of its latent."""

    def __init__(self, config: VAEConfig, *, dtype: DTypeLike, rngs: nnx.Rngs):
        first, last = config.channels[0], config.channels[-1]
        self.conv_in = Conv(3, first, (3, 3), dtype=dtype, rngs=rngs)
        self.down_blocks = nnx.List(
            [Down(config, level, dtype=dtype, rngs=rngs) for level in range(len(config.channels))]
        )
        self.mid_block = Middle(last, config.groups, dtype=dtype, remat="nothing", rngs=rngs)
        self.conv_norm_out = GroupNorm(last, config.groups, _EPSILON)
        self.conv_out = Conv(last, 2 * config.latent, (3, 3), dtype=dtype, rngs=rngs)

    def __call__(self, image: Float[Array, "b H W 3"]) -> Float[Array, "b h w c"]:
        """Encode."""
        x = self.conv_in(image)
        for block in self.down_blocks:
            x = block(x)
        return self.conv_out(jax.nn.silu(self.conv_norm_out(self.mid_block(x))))


class Decoder(nnx.Module):
    """Decode a latent to an image."""

    def __init__(self, config: VAEConfig, *, dtype: DTypeLike, remat: Remat, rngs: nnx.Rngs):
        first, last = config.channels[0], config.channels[-1]
        levels = reversed(range(len(config.channels)))
        self.conv_in = Conv(config.latent, last, (3, 3), dtype=dtype, rngs=rngs)
        self.mid_block = Middle(last, config.groups, dtype=dtype, remat=remat, rngs=rngs)
        self.up_blocks = nnx.List(
            [Up(config, level, dtype=dtype, remat=remat, rngs=rngs) for level in levels]
        )
        self.conv_norm_out = GroupNorm(first, config.groups, _EPSILON)
        self.conv_out = Conv(first, 3, (3, 3), dtype=dtype, rngs=rngs)

    def __call__(self, latent: Float[Array, "b h w c"]) -> Float[Array, "b H W 3"]:
        """Decode."""
        x = self.mid_block(self.conv_in(latent))
        for block in self.up_blocks:
            x = block(x)
        return self.conv_out(jax.nn.silu(self.conv_norm_out(x)))


class Down(nnx.Module):
    """Residual blocks of one level of the encoder; all but the last level halve the size."""

    def __init__(self, config: VAEConfig, level: int, *, dtype: DTypeLike, rngs: nnx.Rngs):
        channels = config.channels[level]
        inputs = (config.channels[max(level - 1, 0)], *[channels] * (config.layers - 1))
        self.resnets = nnx.List(
            [_resnet(width, channels, config.groups, dtype=dtype, rngs=rngs) for width in inputs]
        )
        lowest = level == len(config.channels) - 1
        self.downsamplers = (
            None if lowest else nnx.List([Downsample(channels, dtype=dtype, rngs=rngs)])
        )

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c2"]:
        """Apply."""
        for resnet in self.resnets:
            x = resnet(x)
        return x if self.downsamplers is None else self.downsamplers[0](x)


class Middle(nnx.Module):
    """Residual block, attention, residual block."""

    def __init__(
        self, channels: int, groups: int, *, dtype: DTypeLike, remat: Remat, rngs: nnx.Rngs
    ):
        self.resnets = nnx.List(
            [_resnet(channels, channels, groups, dtype=dtype, rngs=rngs) for _ in range(2)]
        )
        self.attentions = nnx.List([Attention(channels, groups, dtype=dtype, rngs=rngs)])
        self.remat: Remat = remat

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        """Apply the three in turn."""
        x = resnet_call(self.remat, self.resnets[0])(x)
        x = block_call(self.remat, self.attentions[0])(x)
        return resnet_call(self.remat, self.resnets[1])(x)


class Up(nnx.Module):
    """Residual blocks of one level of the decoder; all but the last level double the size."""

    def __init__(
        self, config: VAEConfig, level: int, *, dtype: DTypeLike, remat: Remat, rngs: nnx.Rngs
    ):
        channels = config.channels[level]
        below = config.channels[min(level + 1, len(config.channels) - 1)]
        inputs = (below, *[channels] * config.layers)
        self.resnets = nnx.List(
            [_resnet(width, channels, config.groups, dtype=dtype, rngs=rngs) for width in inputs]
        )
        self.upsamplers = (
            None if level == 0 else nnx.List([Upsample(channels, dtype=dtype, rngs=rngs)])
        )
        self.remat: Remat = remat

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c2"]:
        """Apply."""
        for resnet in self.resnets:
            x = resnet_call(self.remat, resnet)(x)
        return x if self.upsamplers is None else self.upsamplers[0](x)


class Attention(nnx.Module):
    """Attention of the whole picture to itself, one head, added to the picture."""

    def __init__(self, channels: int, groups: int, *, dtype: DTypeLike, rngs: nnx.Rngs):
        self.group_norm = GroupNorm(channels, groups, _EPSILON)
        self.to_q = Linear(channels, channels, dtype=dtype, rngs=rngs)
        self.to_k = Linear(channels, channels, dtype=dtype, rngs=rngs)
        self.to_v = Linear(channels, channels, dtype=dtype, rngs=rngs)
        self.to_out = Linear(channels, channels, dtype=dtype, rngs=rngs)

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        """Normalise, attend, add."""
        b, h, w, c = x.shape
        y = self.group_norm(x).reshape(b, h * w, 1, c)
        y = attend(self.to_q(y), self.to_k(y), self.to_v(y))
        return x + self.to_out(y).reshape(x.shape)


class Downsample(nnx.Module):
    """Half the size, by a convolution of stride 2 padded on the right and at the bottom only."""

    def __init__(self, channels: int, *, dtype: DTypeLike, rngs: nnx.Rngs):
        self.conv = Conv(channels, channels, (3, 3), stride=2, dtype=dtype, rngs=rngs)

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c"]:
        """Convolve."""
        # With one pixel more than the convolution's own padding, the second window begins at 0.
        x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        return self.conv(x)[:, 1:, 1:]


def _resnet(inputs: int, outputs: int, groups: int, *, dtype: DTypeLike, rngs: nnx.Rngs) -> Resnet:
    return Resnet(inputs, outputs, groups=groups, epsilon=_EPSILON, dtype=dtype, rngs=rngs)
