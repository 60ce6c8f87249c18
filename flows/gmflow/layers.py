"""The layers that GMFlow has and RAFT has not: those without a bias, and a transformer's."""

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from flows.nn import matmul
from flows.nn.convolution import convolve
from flows.nn.precision import widened

EPSILON = 1e-5


class PlainConv(nnx.Module):
    """Convolution without a bias, computed in `dtype`, at any stride."""

    def __init__(self, inputs: int, outputs: int, width: int, *, dtype: DTypeLike, rngs: nnx.Rngs):
        make = nnx.initializers.he_normal()
        self.kernel = nnx.Param(make(rngs.params(), (width, width, inputs, outputs)))
        self.dtype = jnp.dtype(dtype)

    def __call__(self, x: Float[Array, "b h w c"], stride: int = 1) -> Float[Array, "b h2 w2 c2"]:
        """Convolve."""
        return convolve(x.astype(self.dtype), self.kernel.get_value().astype(self.dtype), stride)


class Linear(nnx.Module):
    """A matrix and perhaps a bias, computed in `dtype`."""

    def __init__(
        self, inputs: int, outputs: int, *, bias: bool = False, dtype: DTypeLike, rngs: nnx.Rngs
    ):
        make = nnx.initializers.xavier_uniform()
        self.kernel = nnx.Param(make(rngs.params(), (inputs, outputs)))
        self.bias = nnx.Param(jnp.zeros(outputs)) if bias else None
        self.dtype = jnp.dtype(dtype)

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c2"]:
        """Multiply the last axis, add the bias."""
        y = matmul.matmul(x.astype(self.dtype), self.kernel.get_value().astype(self.dtype))
        if self.bias is None:
            return y
        return y + self.bias.get_value().astype(self.dtype).reshape(1, 1, 1, -1)


class LayerNorm(nnx.Module):
    """A pixel's channels to zero mean and unit variance, then scale and shift.

    In at least float32.
    """

    def __init__(self, channels: int):
        self.scale = nnx.Param(jnp.ones(channels))
        self.bias = nnx.Param(jnp.zeros(channels))

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        """Normalise over the last axis."""
        wide = widened(x)
        centred = wide - wide.mean(-1, keepdims=True)
        y = centred * jax.lax.rsqrt(jnp.square(centred).mean(-1, keepdims=True) + EPSILON)
        scale, bias = (one.get_value().reshape(1, 1, 1, -1) for one in (self.scale, self.bias))
        return (y * scale + bias).astype(x.dtype)
