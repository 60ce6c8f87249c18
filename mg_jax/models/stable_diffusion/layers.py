"""The layers that the UNet and the autoencoder share. Names follow the published weights'."""

import functools
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from flows.nn.convolution import Conv
from flows.nn.matmul import matmul
from flows.nn.precision import widened

Remat = Literal["nothing", "blocks"]
"""What is computed again for the gradient: nothing, or each block from its input."""

Block = Callable[..., Float[Array, "..."]]


def block_call(remat: Remat, block: nnx.Module) -> Block:
    """Return a block to be called as it is, or computed again when its gradient is asked."""
    match remat:
        case "nothing":
            return block
        case "blocks":
            return recomputed(block)


def recomputed(block: nnx.Module) -> Block:
    """Return a block that keeps nothing but its parameters and inputs for its gradient.

    It is `jax.checkpoint`, but the block waits for the slope that it is computed again for. On CPU
    XLA drops JAX's barriers: blocks were computed again long before, half the step's memory.
    """
    graph, params = nnx.split(block)

    def apply(params: nnx.State[Any, Any], *inputs: Array) -> Array:
        output: Array = nnx.merge(graph, params)(*inputs)
        return output

    def forward(params: nnx.State[Any, Any], *inputs: Array) -> tuple[Array, tuple[Any, ...]]:
        return apply(params, *inputs), (params, *inputs)

    def backward(saved: tuple[Any, ...], slope: Array) -> tuple[Any, ...]:
        params, first, *rest = saved
        # Nothing is added, but XLA does not know: the slope might not be finite.
        first = first + 0 * slope[(0,) * slope.ndim].astype(first.dtype)
        _, pull = jax.vjp(apply, params, first, *rest)
        slopes: tuple[Any, ...] = pull(slope)
        return slopes

    call = jax.custom_vjp(apply)
    call.defvjp(forward, backward)
    return functools.partial(call, params)


class GroupNorm(nnx.Module):
    """Groups of channels to zero mean and unit variance, then scale and shift.

    In at least float32.
    """

    def __init__(self, channels: int, groups: int, epsilon: float):
        self.scale = nnx.Param(jnp.ones(channels))
        self.bias = nnx.Param(jnp.zeros(channels))
        self.groups = groups
        self.epsilon = epsilon

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        """Normalise over height, width and the channels of a group.

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


class Linear(nnx.Module):
    """A matrix and perhaps a bias, computed in `dtype`."""

    def __init__(
        self, inputs: int, outputs: int, *, bias: bool = True, dtype: DTypeLike, rngs: nnx.Rngs
    ):
        make = nnx.initializers.lecun_normal()
        self.kernel = nnx.Param(make(rngs.params(), (inputs, outputs)))
        self.bias = nnx.Param(jnp.zeros(outputs)) if bias else None
        self.dtype = jnp.dtype(dtype)

    def __call__(self, x: Float[Array, "*axes c"]) -> Float[Array, "*axes c2"]:
        """Multiply the last axis, add the bias."""
        y = matmul(x.astype(self.dtype), self.kernel.get_value().astype(self.dtype))
        if self.bias is None:
            return y
        bias = self.bias.get_value().astype(self.dtype)
        return y + bias.reshape((1,) * (y.ndim - 1) + (-1,))


class Residual(nnx.Module):
    """Two normalised 3×3 convolutions, and the input added: what `Resnet`s have in common."""

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
    """Residual block of the UNet: the time's embedding is added between the convolutions."""

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
    """Each pixel as four. By broadcasting: its gradient is a sum, not a scatter."""
    b, h, w, c = x.shape
    y = jnp.broadcast_to(x[:, :, None, :, None], (b, h, 2, w, 2, c))
    return y.reshape(b, 2 * h, 2 * w, c)
