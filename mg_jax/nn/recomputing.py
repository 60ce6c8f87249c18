"""What a network computes again for its gradient, instead of keeping it."""

import functools
from collections.abc import Callable
from typing import Any, Literal

import jax
from flax import nnx
from jaxtyping import Array, Float

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
