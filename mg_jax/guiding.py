"""Guidance for any model: the energy made of a flow network, and the energy's target."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from flows import fitting
from flows.geometry import occlusion_mask
from flows.interfaces import FlowNetwork
from mg_jax import energies
from mg_jax.settings import Settings
from mg_jax.types import Edit, Energy, Image, Params, Problem, Strengths, Target

UPDATES = 5
UPDATES_FROM_TARGET = 2

# Cached, since JAX compiles anew for every new function object.


@functools.cache
def energy(network: FlowNetwork, oracle: bool) -> Energy:
    """The paper's energy by a flow network; with `oracle`, the colour loss uses the target flow."""

    def flow_of(params: Any, target: Target, image: Image) -> Float[Array, "b H W 2"]:
        return network.flow_from(params, target.features, image, updates=UPDATES)

    return energies.motion_oracle(flow_of) if oracle else energies.motion(flow_of)


@functools.cache
def energy_from_target(network: FlowNetwork, oracle: bool) -> Energy:
    """The same energy, but the flow network's updates start from the target flow.

    They then show whether each pixel is where it should be, or else nearby. This helps where the
    estimated image is blurred and the motion long: starting from zero, the network finds nothing
    there. Where the image has moved as asked, both agree.
    """

    def flow_of(params: Any, target: Target, image: Image) -> Float[Array, "b H W 2"]:
        return network.flow_from(params, target.features, image, UPDATES_FROM_TARGET, target.flow)

    return energies.motion_oracle(flow_of) if oracle else energies.motion(flow_of)


@functools.cache
def features(network: FlowNetwork) -> Callable[..., Any]:
    """The flow network's `features`, compiled: (params, image) -> features."""
    return jax.jit(network.features)


def target(
    seen: Float[Array, "1 H W 3"],
    flow: Float[np.ndarray, "h w 2"],
    size: int,
    settings: Settings,
    flow_params: Any,
    features_of: Callable[[Any, Float[Array, "b H W 3"]], Any],
    covered: Bool[np.ndarray, "h w"] | None = None,
) -> Target:
    """Build the energy's target for one sample.

    Args:
        seen: the source on the energy's grid, in [-1, 1].
        flow: the target flow, at any size of the picture, in its pixels.
        size: side of the square with the grid's area; the flow loss counts in pixels at size 512.
        settings: weights, and whether occluded pixels are masked.
        flow_params: the flow network's parameters.
        features_of: the flow network's `features`.
        covered: the source pixels that the colour loss leaves out, at the flow's size; by default
            by the reference's rule (`geometry.occlusion_mask`), which misses those between the
            pixels of what is enlarged.
    """
    goal = jnp.asarray(fitting.fit_nearest(flow, *seen.shape[1:3]))
    if not settings.occlusion_masking:
        visible = jnp.ones(goal.shape[:2], bool)
    elif covered is None:
        visible = occlusion_mask(goal)
    else:
        visible = jnp.asarray(~fitting.nearest(covered, *goal.shape[:2]))
    ones = jnp.ones(1)
    return Target(
        source=seen,
        flow=goal[None],
        visible=visible.astype(goal.dtype)[None, ..., None],
        features=features_of(flow_params, seen),
        flow_unit=ones * 512.0 / size,
        flow_weight=ones * settings.flow_weight,
        color_weight=ones * settings.color_weight,
    )


def problem(
    params: Params,
    source: Float[Array, "*levels 1 h w c"],
    keep: Bool[np.ndarray, "h w _"],
    guidance_mask: Float[np.ndarray, "h w 1"],
    target: Target,
    guidance_weight: float,
    clip: float,
) -> Problem:
    """Build the problem of one sample, without a prompt.

    `source` is the clean latent or its trajectory; the masks are on its grid. `clip` is the
    guidance's largest norm.
    """
    edit = Edit(source, jnp.asarray(keep)[None], jnp.asarray(guidance_mask)[None], target)
    ones = jnp.ones(1)
    return Problem(params, edit, Strengths(ones * guidance_weight, ones * clip), ())


def repeated(problem: Problem, samples: int) -> Problem:
    """Repeat the problem of one sample for `samples` samples; weights and prompt are shared.

    The source may be a trajectory, [levels b h w c].
    """

    def repeat(leaf: Array) -> Array:
        return jnp.repeat(leaf, samples, axis=0)

    edit = problem.edit
    source = jnp.repeat(edit.source, samples, axis=edit.source.ndim - 4)
    keep, guidance_mask, target = jax.tree.map(repeat, (edit.keep, edit.guidance_mask, edit.target))
    strengths = jax.tree.map(repeat, problem.strengths)
    return problem._replace(edit=Edit(source, keep, guidance_mask, target), strengths=strengths)
