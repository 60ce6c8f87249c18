"""The motion energy (paper, section 3.2): the image moves as asked, and keeps its colours.

    L_flow  = mean |F(x*, x) − f|                        (equation 4)
    L_color = mean |m · (x* − warp(x, F(x*, x)))|        (equation 5)

Each is one number per sample, a mean over all pixels and components, as in the reference; the mask
does not change the divisor.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from flows.geometry import warp
from mg_jax.types import Energy, Image, PerSample, Schedule, Target, Terms

FlowOf = Callable[[Any, Target, Image], Float[Array, "b H W 2"]]
"""(flow params, target, image) -> F(x*, x) in pixels; the target holds the source's features."""


def flow_loss(estimate: Float[Array, "b H W 2"], target: Target) -> PerSample:
    """Mean absolute difference to the target flow, in units of `target.flow_unit`."""
    error = _mean_magnitude(estimate - target.flow)
    return error * target.flow_unit


def color_loss(image: Image, flow: Float[Array, "b H W 2"], target: Target) -> PerSample:
    """Mean masked absolute difference of the source and the image warped back, in [0, 1]."""
    back = jax.vmap(warp)(image, flow)
    return _mean_magnitude(target.visible * (target.source - back)) / 2.0


def motion(flow_of: FlowOf) -> Energy:
    """The paper's energy: both losses on the estimated flow."""

    def energy(
        params: Any, target: Target, image: Image, _level: Schedule
    ) -> tuple[PerSample, Terms]:
        estimate = flow_of(params, target, image)
        return _weighed(target, image, flow_loss(estimate, target), estimate)

    return energy


def motion_oracle(flow_of: FlowOf) -> Energy:
    """The paper's energy, but the colour loss warps by the target flow (the reference's oracle)."""

    def energy(
        params: Any, target: Target, image: Image, _level: Schedule
    ) -> tuple[PerSample, Terms]:
        estimate = flow_of(params, target, image)
        return _weighed(target, image, flow_loss(estimate, target), target.flow)

    return energy


def color_oracle(
    _params: Any, target: Target, image: Image, _level: Schedule
) -> tuple[PerSample, Terms]:
    """Only the colour loss, by the target flow: for images that are too blurred to estimate one."""
    return _weighed(target, image, jnp.zeros(image.shape[:1], image.dtype), target.flow)


def nothing(
    _params: Any, _target: Target, image: Image, _level: Schedule
) -> tuple[PerSample, Terms]:
    """No energy: sampling without guidance (its gradient costs nothing)."""
    zero = jnp.zeros(image.shape[:1], image.dtype)
    return zero, Terms(zero, zero)


def _mean_magnitude(error: Float[Array, "b H W _"]) -> PerSample:
    # Not jnp.abs, whose gradient at 0 is 1: pixels that are right already would be changed.
    return jnp.mean(error * jnp.sign(error), axis=(1, 2, 3))


def _weighed(
    target: Target, image: Image, flow: PerSample, along: Float[Array, "b H W 2"]
) -> tuple[PerSample, Terms]:
    """The weighted sum of a flow loss and of the colour loss along a flow, and both."""
    terms = Terms(flow, color_loss(image, along, target))
    return target.flow_weight * terms.flow + target.color_weight * terms.color, terms
