"""The UNet of Stable Diffusion 1.x and 2.x: from noisy latent, time and text to a prediction.

Module names are those of the published weights (in the layout of diffusers), so that conversion is
a short list of rules.
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from flows.nn.convolution import Conv
from flows.nn.layer_norm import LayerNorm
from flows.nn.linear import Linear
from flows.nn.precision import widened
from mg_jax.models.stable_diffusion.config import UNetConfig
from mg_jax.models.stable_diffusion.layers import TimedResnet, Upsample, resnet_call
from mg_jax.nn.attention import attend
from mg_jax.nn.group_norm import GroupNorm
from mg_jax.nn.recomputing import Remat, block_call

_LONGEST_PERIOD = 10_000.0
_TIME_SHARE = 4  # width of the time embedding over that of the first level
_RESNET_EPSILON = 1e-5
_TRANSFORMER_EPSILON = 1e-6
_LAYER_EPSILON = 1e-5


class UNet(nnx.Module):
    """A downward and an upward path of residual blocks and transformers, with skips between."""

    def __init__(
        self, config: UNetConfig, *, dtype: DTypeLike, remat: Remat = "blocks", rngs: nnx.Rngs
    ):
        first = config.channels[0]
        levels = range(len(config.channels))
        self.conv_in = Conv(config.latent, first, (3, 3), dtype=dtype, rngs=rngs)
        self.time_embedding = TimeEmbedding(first, _TIME_SHARE * first, dtype=dtype, rngs=rngs)
        self.down_blocks = nnx.List(
            [Down(config, level, dtype=dtype, remat=remat, rngs=rngs) for level in levels]
        )
        self.mid_block = Middle(config, dtype=dtype, remat=remat, rngs=rngs)
        self.up_blocks = nnx.List(
            [Up(config, level, dtype=dtype, remat=remat, rngs=rngs) for level in reversed(levels)]
        )
        self.conv_norm_out = GroupNorm(first, config.groups, _RESNET_EPSILON)
        self.conv_out = Conv(first, config.latent, (3, 3), dtype=dtype, rngs=rngs)

    def __call__(
        self,
        z: Float[Array, "b h w c"],
        t: Float[Array, ""],
        context: Float[Array, "b n d"],
    ) -> Float[Array, "b h w c"]:
        """Predict for latents at time `t` in [0, 1000), each with its text embeddings.

        Sides must be multiples of 2^(number of levels − 1). The result is at least float32.
        """
        context = context.astype(self.conv_in.dtype)
        time = self.time_embedding(jnp.broadcast_to(t, z.shape[:1]))
        made = [self.conv_in(z)]
        for down in self.down_blocks:
            made += down(made[-1], time, context)
        x = self.mid_block(made[-1], time, context)
        for up in self.up_blocks:
            skips = [made.pop() for _ in up.resnets]
            x = up(x, skips, time, context)
        return widened(self.conv_out(jax.nn.silu(self.conv_norm_out(x))))


class TimeEmbedding(nnx.Module):
    """Sines and cosines of the time, through two linear layers and a SiLU."""

    def __init__(self, waves: int, outputs: int, *, dtype: DTypeLike, rngs: nnx.Rngs):
        self.linear_1 = Linear(waves, outputs, dtype=dtype, rngs=rngs)
        self.linear_2 = Linear(outputs, outputs, dtype=dtype, rngs=rngs)
        self.waves = waves

    def __call__(self, t: Float[Array, " b"]) -> Float[Array, "b c"]:
        """Embed times, cosines first; includes the SiLU that all users of the embedding apply."""
        half = self.waves // 2
        rates = jnp.exp(jnp.arange(half, dtype=t.dtype) * (-math.log(_LONGEST_PERIOD) / half))
        angles = t[:, None] * rates[None]
        waves = jnp.concatenate([jnp.cos(angles), jnp.sin(angles)], axis=-1)
        return jax.nn.silu(self.linear_2(jax.nn.silu(self.linear_1(waves))))


class Attention(nnx.Module):
    """Multi-head attention of the picture to itself or to the text."""

    def __init__(
        self, channels: int, context: int, heads: int, *, dtype: DTypeLike, rngs: nnx.Rngs
    ):
        self.to_q = Linear(channels, channels, bias=False, dtype=dtype, rngs=rngs)
        self.to_k = Linear(context, channels, bias=False, dtype=dtype, rngs=rngs)
        self.to_v = Linear(context, channels, bias=False, dtype=dtype, rngs=rngs)
        self.to_out = Linear(channels, channels, dtype=dtype, rngs=rngs)
        self.heads = heads

    def __call__(
        self, x: Float[Array, "b n c"], context: Float[Array, "b m d"]
    ) -> Float[Array, "b n c"]:
        """Attend with queries from `x`, keys and values from `context`."""

        def split(y: Float[Array, "b m c"]) -> Float[Array, "b m heads e"]:
            return y.reshape(*y.shape[:2], self.heads, -1)

        y = attend(split(self.to_q(x)), split(self.to_k(context)), split(self.to_v(context)))
        return self.to_out(y.reshape(x.shape))


class FeedForward(nnx.Module):
    """Two linear layers, the first gated by a GELU (GEGLU, Shazeer 2020)."""

    def __init__(self, channels: int, *, dtype: DTypeLike, rngs: nnx.Rngs):
        self.expand = Linear(channels, 8 * channels, dtype=dtype, rngs=rngs)
        self.contract = Linear(4 * channels, channels, dtype=dtype, rngs=rngs)

    def __call__(self, x: Float[Array, "b n c"]) -> Float[Array, "b n c"]:
        """Expand, gate, contract."""
        values, gates = jnp.split(self.expand(x), 2, axis=-1)
        return self.contract(values * jax.nn.gelu(gates, approximate=False))


class TransformerBlock(nnx.Module):
    """Self-attention, attention to the text, feed-forward, each normalised and added."""

    def __init__(
        self, channels: int, context: int, heads: int, *, dtype: DTypeLike, rngs: nnx.Rngs
    ):
        self.norm1 = LayerNorm(channels, _LAYER_EPSILON)
        self.attn1 = Attention(channels, channels, heads, dtype=dtype, rngs=rngs)
        self.norm2 = LayerNorm(channels, _LAYER_EPSILON)
        self.attn2 = Attention(channels, context, heads, dtype=dtype, rngs=rngs)
        self.norm3 = LayerNorm(channels, _LAYER_EPSILON)
        self.ff = FeedForward(channels, dtype=dtype, rngs=rngs)

    def __call__(
        self, x: Float[Array, "b n c"], context: Float[Array, "b m d"]
    ) -> Float[Array, "b n c"]:
        """Apply the three in turn."""
        y = self.norm1(x)
        x = x + self.attn1(y, y)
        x = x + self.attn2(self.norm2(x), context)
        return x + self.ff(self.norm3(x))


class Transformer(nnx.Module):
    """A transformer block on the pixels of a picture, added to the picture."""

    def __init__(
        self,
        channels: int,
        context: int,
        heads: int,
        groups: int,
        *,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        self.norm = GroupNorm(channels, groups, _TRANSFORMER_EPSILON)
        self.proj_in = Linear(channels, channels, dtype=dtype, rngs=rngs)
        self.transformer_blocks = nnx.List(
            [TransformerBlock(channels, context, heads, dtype=dtype, rngs=rngs)]
        )
        self.proj_out = Linear(channels, channels, dtype=dtype, rngs=rngs)

    def __call__(
        self, x: Float[Array, "b h w c"], context: Float[Array, "b m d"]
    ) -> Float[Array, "b h w c"]:
        """Normalise, project, transform, project, add."""
        b, h, w, c = x.shape
        y = self.proj_in(self.norm(x).reshape(b, h * w, c))
        for block in self.transformer_blocks:
            y = block(y, context)
        return x + self.proj_out(y).reshape(x.shape)


class Level(nnx.Module):
    """Residual blocks of one level, each followed by a transformer where the level has them."""

    def __init__(
        self,
        config: UNetConfig,
        level: int,
        inputs: Sequence[int],
        *,
        dtype: DTypeLike,
        remat: Remat,
        rngs: nnx.Rngs,
    ):
        channels = config.channels[level]
        self.resnets = nnx.List(
            [_resnet(config, width, channels, dtype=dtype, rngs=rngs) for width in inputs]
        )
        heads = config.heads[level]
        self.attentions = (
            nnx.List(
                [_transformer(config, channels, heads, dtype=dtype, rngs=rngs) for _ in inputs]
            )
            if config.attention[level]
            else None
        )
        self.remat: Remat = remat

    def layer(
        self,
        index: int,
        x: Float[Array, "b h w c"],
        time: Float[Array, "b t"],
        context: Float[Array, "b n d"],
    ) -> Float[Array, "b h w c2"]:
        """Apply one residual block and its transformer."""
        x = resnet_call(self.remat, self.resnets[index])(x, time)
        if self.attentions is not None:
            x = block_call(self.remat, self.attentions[index])(x, context)
        return x


class Down(Level):
    """A level on the way down; all but the last halve the size at their end."""

    def __init__(
        self, config: UNetConfig, level: int, *, dtype: DTypeLike, remat: Remat, rngs: nnx.Rngs
    ):
        channels = config.channels[level]
        inputs = (config.channels[max(level - 1, 0)], *[channels] * (config.layers - 1))
        super().__init__(config, level, inputs, dtype=dtype, remat=remat, rngs=rngs)
        lowest = level == len(config.channels) - 1
        self.downsamplers = (
            None if lowest else nnx.List([Downsample(channels, dtype=dtype, rngs=rngs)])
        )

    def __call__(
        self,
        x: Float[Array, "b h w c"],
        time: Float[Array, "b t"],
        context: Float[Array, "b n d"],
    ) -> list[Float[Array, "b _h _w c2"]]:
        """Return each layer's output, for the skips; the last one is the next level's input."""
        made = []
        for index in range(len(self.resnets)):
            x = self.layer(index, x, time, context)
            made.append(x)
        if self.downsamplers is not None:
            made.append(self.downsamplers[0](x))
        return made


class Middle(nnx.Module):
    """The lowest point: residual block, transformer, residual block."""

    def __init__(self, config: UNetConfig, *, dtype: DTypeLike, remat: Remat, rngs: nnx.Rngs):
        channels, heads = config.channels[-1], config.heads[-1]
        self.resnets = nnx.List(
            [_resnet(config, channels, channels, dtype=dtype, rngs=rngs) for _ in range(2)]
        )
        self.attentions = nnx.List([_transformer(config, channels, heads, dtype=dtype, rngs=rngs)])
        self.remat: Remat = remat

    def __call__(
        self,
        x: Float[Array, "b h w c"],
        time: Float[Array, "b t"],
        context: Float[Array, "b n d"],
    ) -> Float[Array, "b h w c"]:
        """Apply the three in turn."""
        x = resnet_call(self.remat, self.resnets[0])(x, time)
        x = block_call(self.remat, self.attentions[0])(x, context)
        return resnet_call(self.remat, self.resnets[1])(x, time)


class Up(Level):
    """A level on the way up: each layer takes a skip; all but the last double the size."""

    def __init__(
        self, config: UNetConfig, level: int, *, dtype: DTypeLike, remat: Remat, rngs: nnx.Rngs
    ):
        channels = config.channels[level]
        below = config.channels[min(level + 1, len(config.channels) - 1)]
        above = config.channels[max(level - 1, 0)]
        passed = (below, *[channels] * config.layers)
        skips = (*[channels] * config.layers, above)
        inputs = [x + skip for x, skip in zip(passed, skips, strict=True)]
        super().__init__(config, level, inputs, dtype=dtype, remat=remat, rngs=rngs)
        self.upsamplers = (
            None if level == 0 else nnx.List([Upsample(channels, dtype=dtype, rngs=rngs)])
        )

    def __call__(
        self,
        x: Float[Array, "b h w c"],
        skips: Sequence[Float[Array, "b h w _c"]],
        time: Float[Array, "b t"],
        context: Float[Array, "b n d"],
    ) -> Float[Array, "b h2 w2 c2"]:
        """Apply; `skips` in the order in which they are taken."""
        for index, skip in enumerate(skips):
            x = self.layer(index, jnp.concatenate([x, skip], axis=-1), time, context)
        return x if self.upsamplers is None else self.upsamplers[0](x)


class Downsample(nnx.Module):
    """Half the size, by a convolution of stride 2."""

    def __init__(self, channels: int, *, dtype: DTypeLike, rngs: nnx.Rngs):
        self.conv = Conv(channels, channels, (3, 3), stride=2, dtype=dtype, rngs=rngs)

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c"]:
        """Convolve."""
        return self.conv(x)


def _resnet(
    config: UNetConfig, inputs: int, outputs: int, *, dtype: DTypeLike, rngs: nnx.Rngs
) -> TimedResnet:
    return TimedResnet(
        inputs,
        outputs,
        time=_TIME_SHARE * config.channels[0],
        groups=config.groups,
        epsilon=_RESNET_EPSILON,
        dtype=dtype,
        rngs=rngs,
    )


def _transformer(
    config: UNetConfig, channels: int, heads: int, *, dtype: DTypeLike, rngs: nnx.Rngs
) -> Transformer:
    return Transformer(channels, config.context, heads, config.groups, dtype=dtype, rngs=rngs)
