"""Recompute a network's blocks for the gradient, instead of keeping their activations."""

import functools
from collections.abc import Callable
from typing import Any, Literal

import jax
from flax import nnx
from jaxtyping import Array, Float

Remat = Literal["nothing", "blocks"]
"""What is recomputed for the gradient: nothing, or each block from its input."""

Block = Callable[..., Float[Array, "..."]]


def block_call(remat: Remat, block: nnx.Module) -> Block:
    """Return a function that applies a block, recomputed for the gradient if `remat` says so."""
    match remat:
        case "nothing":
            return block
        case "blocks":
            return recomputed(block, type(block).__call__)


def recomputed(block: nnx.Module, method: Block) -> Block:
    """Return a block's method as a function that keeps only its inputs for the gradient.

    Like `jax.checkpoint`, but the recomputation depends on the gradient that it is needed for. On
    CPU, XLA drops JAX's barriers: blocks were recomputed long before that, and their activations
    took half the step's memory.
    """
    graph, params = nnx.split(block)

    def apply(params: nnx.State[Any, Any], *inputs: Array) -> Array:
        output: Array = method(nnx.merge(graph, params), *inputs)
        return output

    def forward(params: nnx.State[Any, Any], *inputs: Array) -> tuple[Array, tuple[Any, ...]]:
        return apply(params, *inputs), (params, *inputs)

    def backward(saved: tuple[Any, ...], slope: Array) -> tuple[Any, ...]:
        params, first, *rest = saved
        # Adds 0, but XLA cannot remove it, as the gradient might not be finite.
        first = first + 0 * slope[(0,) * slope.ndim].astype(first.dtype)
        _, pull = jax.vjp(apply, params, first, *rest)
        slopes: tuple[Any, ...] = pull(slope)
        return slopes

    call = jax.custom_vjp(apply)
    call.defvjp(forward, backward)
    return functools.partial(call, params)
