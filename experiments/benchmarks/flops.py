"""Floating-point operations of the matrix products and convolutions of a JAX function.

Counted by walking its jaxpr, a loop's body as often as it runs; `jax.Compiled.cost_analysis` counts
it once. A multiplication and an addition are two operations. What a convolution would multiply by
its padding, or by the holes that its dilation makes, is not counted, so that the gradient of a
convolution has the operations of the convolution; nor is what no result needs. Nothing else is
counted: the rest is bound by memory.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jax.extend import core
from jax.interpreters import partial_eval


def of(function: Callable[..., Any], *arguments: Any) -> int:
    """Operations of a call; the arguments may be `jax.ShapeDtypeStruct`s, nothing is computed.

    Of the branches of a condition the longest is counted.

    Raises:
        ValueError: products in a while loop, whose length is known only when it runs.
    """
    jaxpr = jax.make_jaxpr(function)(*arguments).jaxpr
    # A derivative written by hand gives slopes that nobody asked for; XLA drops them, too.
    alive, _ = partial_eval.dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars))
    return _of(alive)


def _of(jaxpr: core.Jaxpr) -> int:
    return sum(_of_equation(equation) for equation in jaxpr.eqns)


def _of_equation(equation: core.JaxprEqn) -> int:
    params = equation.params
    match equation.primitive.name:
        case "dot_general":
            return _of_product(equation)
        case "conv_general_dilated":
            return _of_convolution(equation)
        case "scan":
            return int(params["length"]) * _of(params["jaxpr"].jaxpr)
        case "cond":
            return max(_of(branch.jaxpr) for branch in params["branches"])
        case "while":
            if sum(map(_of, _inner(params))):
                raise ValueError("flops: products in a while loop; expected loops of known length")
            return 0
        case _:  # calls: jit, custom derivatives, checkpoint, …
            return sum(map(_of, _inner(params)))


def _inner(params: dict[str, Any]) -> Iterator[core.Jaxpr]:
    for value in params.values():
        if isinstance(value, core.ClosedJaxpr):
            yield value.jaxpr
        elif isinstance(value, core.Jaxpr):
            yield value


def _of_product(equation: core.JaxprEqn) -> int:
    (contracted, _), _ = equation.params["dimension_numbers"]
    shape = _shape(equation.invars[0])
    terms: int = math.prod(shape[axis] for axis in contracted)
    return 2 * math.prod(_shape(equation.outvars[0])) * terms


def _of_convolution(equation: core.JaxprEqn) -> int:
    """Each output's products over the kernel's input channels, by the taps that meet a value."""
    params = equation.params
    numbers = params["dimension_numbers"]
    image, kernel = map(_shape, equation.invars)
    out = _shape(equation.outvars[0])
    met = 1
    for axis in range(len(params["window_strides"])):
        met *= _met(
            image[numbers.lhs_spec[2 + axis]],
            kernel[numbers.rhs_spec[2 + axis]],
            out[numbers.out_spec[2 + axis]],
            params["window_strides"][axis],
            params["padding"][axis][0],
            params["lhs_dilation"][axis],
            params["rhs_dilation"][axis],
        )
    batch, channels = (out[axis] for axis in numbers.out_spec[:2])
    return int(2 * batch * channels * kernel[numbers.rhs_spec[1]] * met)


def _met(size: int, taps: int, out: int, stride: int, pad: int, holes: int, apart: int) -> int:
    """Pairs of an output and a tap, along one axis, that meet a value: no padding, no hole."""
    place = np.arange(out)[:, None] * stride - pad + np.arange(taps) * apart
    inside = (place >= 0) & (place <= (size - 1) * holes)
    return int(np.count_nonzero(inside & (place % holes == 0)))


def _shape(variable: Any) -> tuple[int, ...]:
    return tuple(variable.aval.shape)
