"""Guidance for any model: the energy made of a flow network, and the energy's target."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from flows.geometry import occlusion_mask
from flows.interfaces import FlowNetwork
from mg_jax import energies
from mg_jax.settings import Settings
from mg_jax.types import Edit, Energy, Image, Problem, Target

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
) -> Target:
    """Build the energy's target for one sample.

    Args:
        seen: the source on the energy's grid, in [-1, 1].
        flow: the target flow, at any size of the picture, in its pixels.
        size: side of the square with the grid's area; the flow loss counts in pixels at size 512.
        settings: weights, and whether occluded pixels are masked.
        flow_params: the flow network's parameters.
        features_of: the flow network's `features`.
    """
    goal = resampled(flow, seen.shape[1:3])
    visible = np.ones(goal.shape[:2], np.float32)
    if settings.occlusion_masking:
        visible = np.asarray(occlusion_mask(jnp.asarray(goal)), np.float32)
    one = jnp.ones(1)
    return Target(
        source=seen,
        flow=jnp.asarray(goal)[None],
        visible=jnp.asarray(visible)[None, ..., None],
        features=features_of(flow_params, seen),
        flow_unit=one * 512.0 / size,
        flow_weight=one * settings.flow_weight,
        color_weight=one * settings.color_weight,
    )


def resampled(
    flow: Float[np.ndarray, "H W 2"], shape: tuple[int, ...]
) -> Float[np.ndarray, "h w 2"]:
    """Resize a flow by nearest neighbour, and scale its vectors, without averaging across edges."""
    scale = np.array(shape) / np.array(flow.shape[:2])
    rows, columns = (
        np.minimum((np.arange(n) + 0.5) / s, size - 1).astype(np.int64)
        for n, s, size in zip(shape, scale, flow.shape[:2], strict=True)
    )
    return np.asarray(flow[rows[:, None], columns[None]] * scale[::-1], np.float32)


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
