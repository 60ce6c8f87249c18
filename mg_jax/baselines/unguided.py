"""The patch denoiser without guidance, starting from any picture; SDEdit and RePaint use it.

Denoiser and final steps (coherent patches, copied at full size) are those of
`mg_jax.models.patch`, including its prior on where patches come from; only the gradient of the
motion energy is missing.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, UInt8

from flows.motion import Motion
from mg_jax import energies, images, kernel, noise, sample
from mg_jax.models.patch import coarse_to_fine
from mg_jax.models.patch.copying import copy
from mg_jax.models.patch.denoiser import denoise
from mg_jax.models.patch.motion import LayeredMotion, layered
from mg_jax.models.patch.patch_sources import View
from mg_jax.models.patch.settings import PatchSettings, Stage
from mg_jax.models.patch.stage import Prepared, magnify, prepare
from mg_jax.types import Image, Latent, State


class Task(NamedTuple):
    """What to sample, and from which patches."""

    photo: UInt8[np.ndarray, "H W 3"]
    motion: LayeredMotion
    picture: UInt8[np.ndarray, "H W 3"]  # what is known of the result
    free: Bool[np.ndarray, "H W"]  # True where it is sampled; elsewhere `picture` is kept
    pictures: tuple[View, ...]  # the pictures whose patches are used


def task(
    photo: UInt8[np.ndarray, "H W 3"],
    flow: Float[np.ndarray, "H W 2"],
    picture: UInt8[np.ndarray, "H W 3"],
    free: Bool[np.ndarray, "H W"],
    settings: PatchSettings,
) -> Task:
    """Define the task to sample `picture` again where it is `free`, from an edit's patches."""
    motion = layered(photo, Motion(flow))
    return Task(photo, motion, picture, free, coarse_to_fine.seen(photo, motion, settings))


def prepared(task: Task, stage: Stage, settings: PatchSettings) -> Prepared:
    """Prepare a stage as the patch model does, but so that the task's picture is kept."""
    ready = prepare(
        stage,
        settings,
        images.to_float(task.photo),
        task.motion,
        task.free,
        task.pictures,
        np.ones(stage.levels),
        (),
        lambda _params, _image: (),  # no energy needs features
    )
    height, width = ready.pictures.shape[1:3]
    kept = jnp.asarray(images.box(images.to_float(task.picture), (height, width)))
    params, edit = ready.problem.params, ready.problem.edit
    problem = ready.problem._replace(
        params=params._replace(denoiser=params.denoiser._replace(source=kept)),
        edit=edit._replace(source=kept[None]),
    )
    return ready._replace(problem=problem)


def draw(
    ready: Prepared, z: Latent, key: Key[Array, ""], recursions: int, reach: int
) -> tuple[Image, Int[Array, "1 h w 3"]]:
    """Denoise `z` through the stage's levels, each `recursions` times, then snap to real patches.

    `reach` is the radius of the patches that vote, one of `coarse_to_fine.REACH`. Returns the
    picture on the stage's grid, and the picture, row and column that each cell is copied from.
    """
    image, matches = coarse_to_fine.snapped(ready, _sampled(ready, z, key, recursions), reach)
    return image, matches


def finished(task: Task, matches: Int[Array, "1 h w 3"]) -> UInt8[np.ndarray, "H W 3"]:
    """The full-size picture: where the task is free, copied from the matches; else unchanged."""
    sources = [task.photo, *(images.to_uint8(view.picture) for view in task.pictures[1:])]
    return copy(task.picture, sources, task.free, np.asarray(matches[0]))


@functools.partial(jax.jit, static_argnames="recursions")
def _sampled(ready: Prepared, z: Latent, key: Key[Array, ""], recursions: int) -> Latent:
    plain = kernel.build(
        denoise, magnify, energies.nothing, kernel.noised_source, noise.gaussian, recursions
    )
    state: State
    state, _ = sample.scan(plain, key[None], kernel.init(z), ready.schedule, ready.problem)
    return state.z
