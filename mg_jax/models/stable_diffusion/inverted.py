"""A photo's trajectory through the noise levels of Stable Diffusion, and the way back."""

import functools
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, UInt8

from mg_jax import inversion, parallel, schedule
from mg_jax.models.stable_diffusion.inputs import decoded, encoded, prompt_of, work_picture
from mg_jax.models.stable_diffusion.loading import StableDiffusion
from mg_jax.models.stable_diffusion.networks import Networks
from mg_jax.models.stable_diffusion.settings import Settings
from mg_jax.prompting import classifier_free
from mg_jax.trajectory import Origin, Trajectory, digest

_LEARNING_RATE = 0.01  # of null-text optimisation, as in the paper

Report = Callable[[int, int], None]
"""(levels done, levels in all)"""


def trajectory_of(
    photo: UInt8[np.ndarray, "H W 3"],
    prompt: str,
    model: StableDiffusion,
    net: Networks,
    settings: Settings,
    report: Report,
    name: str,
) -> Trajectory:
    """Invert a photo along `settings.steps` levels, told the prompt, without guidance.

    `name` is the model's, to be kept with the trajectory. With null-text optimisation the
    trajectory gets an unconditional embedding for each level, for `settings.cfg_scale`. `report` is
    called after each level of each of the two.

    Raises:
        ValueError: results that are not finite.
    """
    rows = schedule.ddim(settings.steps)
    total = settings.steps * (2 if settings.null_text else 1)
    told = prompt_of(prompt, 1, settings.cfg_scale, model, net)
    clean = encoded(work_picture(photo, settings), model, net)
    climb = _climb(net, settings.inversion_iterations)
    latents: list[Array] = []
    z = clean
    for done, i in enumerate(reversed(range(settings.steps)), 1):
        z = climb(model.weights.unet, z, schedule.rows(rows, i, i + 1), told.conditional)[0]
        latents.insert(0, z)
        report(done, total)
    embeddings: list[Array] = []
    if settings.null_text:
        follow = _follow(net, settings.null_text)
        for i, goal in enumerate([*latents[1:], clean]):
            row = schedule.rows(rows, i, i + 1)
            found, z = follow(model.weights.unet, z[None], goal, row, told)
            told = told._replace(unconditional=found[0])
            embeddings.append(found[0, 0])
            report(settings.steps + i + 1, total)
    path = np.stack(latents)[:, 0]
    if not np.isfinite(path).all():
        raise ValueError("latents: not finite after inversion; expected a model for its --dtype")
    return Trajectory(
        latents=path,
        t=np.asarray(rows.t, np.float32),
        alpha=np.asarray(rows.alpha, np.float32),
        unconditional=np.stack(embeddings) if embeddings else None,
        origin=Origin(digest(photo), name, prompt, settings.cfg_scale, settings.size),
    )


def reconstructed(
    trajectory: Trajectory,
    model: StableDiffusion,
    net: Networks,
    report: Report,
) -> UInt8[np.ndarray, "h w 3"]:
    """The picture that the trajectory's noise leads back to, at the work picture's size.

    With the prompt alone, or with guidance if there are unconditional embeddings for it.
    """
    origin, levels = trajectory.origin, len(trajectory.t)
    told = prompt_of(origin.prompt, 1, origin.cfg_scale, model, net)
    rows = schedule.ddim(levels)
    z = jnp.asarray(trajectory.latents[:1])
    for i in range(levels):
        row = schedule.rows(rows, i, i + 1)
        if trajectory.unconditional is None:
            z = _descend(net)(model.weights.unet, z, row, told.conditional)
        else:
            found = jnp.asarray(trajectory.unconditional[i])[None]
            z = _descend_guided(net)(model.weights.unet, z, row, told._replace(unconditional=found))
        report(i + 1, levels)
    return np.asarray(decoded(z, model, net)[0])


def round_trip(
    photo: UInt8[np.ndarray, "H W 3"], model: StableDiffusion, net: Networks, settings: Settings
) -> UInt8[np.ndarray, "h w 3"]:
    """What the autoencoder alone makes of the photo: no inversion can do better."""
    clean = encoded(work_picture(photo, settings), model, net)
    return np.asarray(decoded(clean, model, net)[0])


# Made once for each network and kept, so that each compiles once for a shape of its arguments.


@functools.cache
def _climb(net: Networks, iterations: int) -> Callable[..., Array]:
    return parallel.jit_lean(
        functools.partial(inversion.invert, net.denoise, iterations=iterations)
    )


@functools.cache
def _descend(net: Networks) -> Callable[..., Array]:
    return parallel.jit_lean(functools.partial(inversion.sample, net.denoise))


@functools.cache
def _descend_guided(net: Networks) -> Callable[..., Array]:
    return parallel.jit_lean(functools.partial(inversion.sample, classifier_free(net.denoise)))


@functools.cache
def _follow(net: Networks, iterations: int) -> Callable[..., inversion.NullText]:
    def follow(
        params: Any, trajectory: Array, goal: Array, row: Any, prompt: Any
    ) -> inversion.NullText:
        return inversion.null_text(
            net.denoise, params, trajectory, goal, row, prompt, iterations, _LEARNING_RATE
        )

    return parallel.jit_lean(follow)
