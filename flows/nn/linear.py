"""A linear layer, computed in the precision of its network."""

import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from flows.nn.matmul import matmul


class Linear(nnx.Module):
    """Product of the last axis and a matrix, plus an optional bias; computed in `dtype`."""

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
