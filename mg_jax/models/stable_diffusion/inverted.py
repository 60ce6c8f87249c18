"""Invert a photo with Stable Diffusion to a trajectory of latents, and reconstruct it."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from mg_jax import compilation, inversion, schedule
from mg_jax.models.stable_diffusion.inputs import decoded, encoded, prompt_of, work_picture
from mg_jax.models.stable_diffusion.loading import StableDiffusion
from mg_jax.models.stable_diffusion.networks import Networks
from mg_jax.models.stable_diffusion.settings import StableDiffusionSettings
from mg_jax.prompting import classifier_free
from mg_jax.sample import Phase, Phases
from mg_jax.trajectory import Origin, Trajectory, digest
from mg_jax.types import Info

_LEARNING_RATE = 0.01  # of null-text optimisation, as in the paper


# States keep their shape from level to level, so that a stopped run finds its place in them.


class _Climbed(NamedTuple):
    """The state of the inversion."""

    latent: Float[Array, "1 h w c"]
    path: Float[Array, "levels 1 h w c"]  # noisiest first; zeros at levels not reached yet


class _Followed(NamedTuple):
    """The state of null-text optimisation."""

    latent: Float[Array, "1 h w c"]
    embeddings: Float[Array, "levels 1 n d"]  # noisiest first; zeros at levels not reached yet


def trajectory_of(
    photo: UInt8[np.ndarray, "H W 3"],
    prompt: str,
    model: StableDiffusion,
    net: Networks,
    settings: StableDiffusionSettings,
    name: str,
) -> Phases[Trajectory]:
    """Invert a photo along `settings.steps` levels, with the prompt, without guidance.

    `name` is the model's, to be stored with the trajectory. With null-text optimisation, a second
    phase, the trajectory gets an unconditional embedding for each level, for `settings.cfg_scale`.

    Raises:
        ValueError: the result is not finite.
    """
    rows = schedule.ddim(settings.steps)
    words = prompt_of(prompt, 1, settings.cfg_scale, model, net)
    clean = encoded(work_picture(photo, settings), model, net)
    climb = _climb(net, settings.inversion_iterations)

    def upwards(level: int, climbed: _Climbed) -> tuple[_Climbed, None]:
        row = schedule.rows(rows, level, level + 1)
        z = climb(model.weights.unet, climbed.latent, row, words.conditional)[0]
        return _Climbed(z, _with_row(climbed.path, level, z)), None

    levels = range(settings.steps)
    start = _Climbed(clean, jnp.zeros((len(levels), *clean.shape), clean.dtype))
    climbed = yield Phase(
        "inversion",
        levels[::-1],
        start,
        upwards,
        _decoded_first(model, net),
        examples=levels[-1:],
    )
    path = climbed.path
    embeddings = None
    if settings.null_text:
        follow = _follow(net, settings.null_text)

        def along(level: int, followed: _Followed) -> tuple[_Followed, None]:
            row = schedule.rows(rows, level, level + 1)
            goal = path[level + 1] if level + 1 < len(levels) else clean
            last = words
            if level:
                last = words._replace(unconditional=followed.embeddings[level - 1])
            best, z = follow(model.weights.unet, followed.latent[None], goal, row, last)
            return _Followed(z, _with_row(followed.embeddings, level, best[0])), None

        none = jnp.zeros((len(levels), *words.unconditional.shape), words.unconditional.dtype)
        followed = yield Phase(
            "null_text",
            levels,
            _Followed(path[0], none),
            along,
            _decoded_first(model, net),
            examples=levels[:2],
        )
        embeddings = np.asarray(followed.embeddings)[:, 0]
    latents = np.asarray(path)[:, 0]
    if not np.isfinite(latents).all():
        raise ValueError("latents: not finite after inversion; expected a model for its --dtype")
    return Trajectory(
        latents=latents,
        t=np.asarray(rows.t, np.float32),
        alpha=np.asarray(rows.alpha, np.float32),
        unconditional=embeddings,
        origin=Origin(digest(photo), name, prompt, settings.cfg_scale, settings.working_size),
    )


def reconstructed(
    trajectory: Trajectory, model: StableDiffusion, net: Networks
) -> Phases[UInt8[np.ndarray, "h w 3"]]:
    """Reconstruct the picture from a trajectory's noisiest latent, at the working size.

    Samples with the prompt alone, or with classifier-free guidance if the trajectory has
    unconditional embeddings for it.
    """
    origin, levels = trajectory.origin, len(trajectory.t)
    words = prompt_of(origin.prompt, 1, origin.cfg_scale, model, net)
    rows = schedule.ddim(levels)

    def downwards(level: int, path: tuple[Array]) -> tuple[tuple[Array], None]:
        row = schedule.rows(rows, level, level + 1)
        if trajectory.unconditional is None:
            return (_descend(net)(model.weights.unet, path[0], row, words.conditional),), None
        own = words._replace(unconditional=jnp.asarray(trajectory.unconditional[level])[None])
        return (_descend_guided(net)(model.weights.unet, path[0], row, own),), None

    start = (jnp.asarray(trajectory.latents[:1]),)
    (z,) = yield Phase("sampling", range(levels), start, downwards, _decoded_first(model, net))
    return np.asarray(decoded(z, model, net)[0])


def round_trip(
    photo: UInt8[np.ndarray, "H W 3"],
    model: StableDiffusion,
    net: Networks,
    settings: StableDiffusionSettings,
) -> UInt8[np.ndarray, "h w 3"]:
    """Encode and decode the photo, without inversion: no inversion can do better."""
    clean = encoded(work_picture(photo, settings), model, net)
    return np.asarray(decoded(clean, model, net)[0])


def _decoded_first(
    model: StableDiffusion, net: Networks
) -> Callable[[tuple[Any, ...], Info | None], UInt8[np.ndarray, "b h w 3"]]:
    """Return the function that shows a phase's state, whose first field is the latent."""
    return lambda state, _info: decoded(state[0], model, net)


def _with_row(rows: Float[Array, "levels *row"], level: int, row: Array) -> Array:
    updated: Array = jax.lax.dynamic_update_index_in_dim(rows, row, level, 0)
    return updated


# Cached, since JAX compiles anew for every new function object.


@functools.cache
def _climb(net: Networks, iterations: int) -> Callable[..., Array]:
    return compilation.jit_lean(
        functools.partial(inversion.invert, net.denoise, iterations=iterations)
    )


@functools.cache
def _descend(net: Networks) -> Callable[..., Array]:
    return compilation.jit_lean(functools.partial(inversion.sample, net.denoise))


@functools.cache
def _descend_guided(net: Networks) -> Callable[..., Array]:
    return compilation.jit_lean(functools.partial(inversion.sample, classifier_free(net.denoise)))


@functools.cache
def _follow(net: Networks, iterations: int) -> Callable[..., inversion.NullText]:
    def follow(
        params: Any, trajectory: Array, goal: Array, row: Any, prompt: Any
    ) -> inversion.NullText:
        return inversion.null_text(
            net.denoise, params, trajectory, goal, row, prompt, iterations, _LEARNING_RATE
        )

    return compilation.jit_lean(follow)
