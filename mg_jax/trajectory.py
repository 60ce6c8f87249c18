"""Trajectory files: an inverted photo's latent at every level, kept for several edits.

One .safetensors file: arrays `latents`, `t`, `alpha` and, from null-text optimisation,
`unconditional`; its header holds their `Origin`. Every error is a `ValueError` of one line: FILE:
what is wrong; expected what.
"""

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import Float, Float32, UInt8

from flows.files import atomic
from mg_jax.types import Schedule

_SUFFIX = ".safetensors"
_KIND = "mg_jax trajectory 1"
_DIMENSIONS = {"latents": 4, "t": 1, "alpha": 1, "unconditional": 3}
_NEEDED = ("latents", "t", "alpha")
# Trajectories in the right order have a `noise_spread` of 0 to 0.1, reversed ones of 0.2 to 0.5.
_CLEARLY = 1.5


class Origin(NamedTuple):
    """The photo of a trajectory, and how it was inverted."""

    photo: str  # its `digest`
    model: str  # as the user named it
    prompt: str
    cfg_scale: float  # for which the unconditional embeddings are
    size: int  # side of a square with the working picture's area, pixels


class Trajectory(NamedTuple):
    """Latents of one photo, one per level, noisiest first."""

    latents: Float32[np.ndarray, "levels h w c"]
    t: Float32[np.ndarray, " levels"]
    alpha: Float32[np.ndarray, " levels"]
    unconditional: Float32[np.ndarray, "levels n d"] | None  # by null-text optimisation
    origin: Origin


def digest(photo: UInt8[np.ndarray, "h w 3"]) -> str:
    """SHA-256 of a picture's pixels and shape: the same for all lossless files of it."""
    return hashlib.sha256(f"{photo.shape}".encode() + photo.tobytes()).hexdigest()


def write(path: str | os.PathLike[str], trajectory: Trajectory) -> None:
    """Write a trajectory; the file appears whole or not at all.

    Raises:
        ValueError: another suffix than .safetensors, a folder that is missing or may not be
            written, or a trajectory that `read` would refuse.
    """
    path = Path(path)
    check_name(path)
    fields = trajectory._asdict()
    present = {name: fields[name] for name in _DIMENSIONS if fields[name] is not None}
    _check(present, path)
    origin = {name: str(value) for name, value in trajectory.origin._asdict().items()}
    arrays = {name: np.ascontiguousarray(array) for name, array in present.items()}
    with atomic(path) as stream:
        stream.write(safetensors.numpy.save(arrays, {"kind": _KIND, **origin}))


def read(path: str | os.PathLike[str]) -> Trajectory:
    """Read a trajectory.

    Raises:
        ValueError: missing, of another kind or cut short, arrays missing, of another shape or
            type, not finite, or in the wrong order.
    """
    path = Path(path)
    check_name(path)
    if not path.is_file():
        raise ValueError(f"{path}: no such file; expected a trajectory by experiments.invert")
    try:
        with safetensors.safe_open(path, framework="numpy") as content:
            header = content.metadata() or {}
            tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, OSError, TypeError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path}: broken or cut short ({reason}); expected {_KIND}") from error
    if header.get("kind") != _KIND:
        raise ValueError(f"{path}: of kind {header.get('kind')!r}; expected {_KIND!r}")
    try:
        origin = Origin(
            header["photo"],
            header["model"],
            header["prompt"],
            float(header["cfg_scale"]),
            int(header["size"]),
        )
    except (KeyError, ValueError) as error:
        raise ValueError(
            f"{path}: header lacks or garbles {error}; expected {', '.join(Origin._fields)}"
        ) from error
    _check(tensors, path)
    return Trajectory(
        tensors["latents"], tensors["t"], tensors["alpha"], tensors.get("unconditional"), origin
    )


def check_name(path: Path) -> None:
    """Raise ValueError if a file name does not end in .safetensors."""
    if path.suffix != _SUFFIX:
        raise ValueError(f"{path}: unknown suffix {path.suffix!r}; expected {_SUFFIX}")


def check_fits(
    name: str,
    trajectory: Trajectory,
    photo: UInt8[np.ndarray, "h w 3"],
    grid: tuple[int, int],
    schedule: Schedule,
    prompt: str,
    cfg_scale: float,
) -> None:
    """Check that a trajectory fits an edit; the error message begins with `name`.

    `grid` is the latents' height and width. Prompt and scale are compared only if there are
    unconditional embeddings.

    Raises:
        ValueError: it is of another photo, size or schedule, or its embeddings are for another
            prompt or scale.
    """
    origin = trajectory.origin
    if origin.photo != digest(photo):
        raise ValueError(f"{name}: of another photo; expected one of the photo to edit")
    height, width = trajectory.latents.shape[1:3]
    if (height, width) != grid:
        raise ValueError(
            f"{name}: latents of {width}x{height}, of size {origin.size};"
            f" expected {grid[1]}x{grid[0]}"
        )
    levels = len(trajectory.t)
    if levels != len(schedule.t):
        raise ValueError(
            f"{name}: {levels} levels; expected {len(schedule.t)}, the steps asked for"
        )
    pairs = ((trajectory.t, schedule.t), (trajectory.alpha, schedule.alpha))
    if not all(np.allclose(ours, theirs, rtol=1e-4, atol=0) for ours, theirs in pairs):
        raise ValueError(f"{name}: other noise levels; expected the schedule's")
    made = (origin.prompt, origin.cfg_scale)
    if trajectory.unconditional is not None and made != (prompt, cfg_scale):
        raise ValueError(
            f"{name}: null-text embeddings for prompt {made[0]!r} and cfg_scale {made[1]};"
            f" expected {prompt!r} and {cfg_scale}"
        )


def noise_spread(
    latents: Float[np.ndarray, "levels h w c"], alpha: Float[np.ndarray, " levels"]
) -> float:
    """Standard deviation of log ‖ε‖ over a trajectory's steps, ε the noise that each step implies.

    A DDIM step between two latents depends on their √ᾱ and √(1−ᾱ) and on one ε, which follows from
    the latents. Denoisers predict noise of nearly constant size, so that the spread along a
    trajectory is small; in reverse order it is large, as the steps near the clean end come out many
    times larger than those at the other end.
    """
    a = alpha.astype(np.float64)[:, None, None, None]
    steps = np.diff(latents / np.sqrt(a), axis=0) / np.diff(np.sqrt((1 - a) / a), axis=0)
    sizes = np.sqrt(np.mean(np.square(steps), axis=(1, 2, 3)))
    return float(np.std(np.log(np.maximum(sizes, 1e-12)))) if len(sizes) else 0.0


def _check(arrays: dict[str, np.ndarray], path: Path) -> None:
    """Raise ValueError with the first reason why these are not a trajectory's arrays."""
    missing = [name for name in _NEEDED if name not in arrays]
    if missing:
        raise ValueError(f"{path}: has no {', '.join(missing)}; expected {', '.join(_NEEDED)}")
    unknown = sorted(set(arrays) - set(_DIMENSIONS))
    if unknown:
        raise ValueError(f"{path}: unknown {unknown[0]!r}; expected {', '.join(_DIMENSIONS)}")
    levels = len(arrays["latents"]) if arrays["latents"].ndim else 0
    for name in filter(arrays.__contains__, _DIMENSIONS):
        array = arrays[name]
        expected = f"float32, {_DIMENSIONS[name]} axes, the first {levels} levels"
        wrong = array.ndim != _DIMENSIONS[name] or not array.size or len(array) != levels
        if wrong or array.dtype != np.float32:
            shape = list(array.shape)
            raise ValueError(f"{path}: {name} is {array.dtype} {shape}; expected {expected}")
        if not np.isfinite(array).all():
            raise ValueError(f"{path}: {name} holds NaN or Inf; expected finite numbers")
    t, alpha, latents = arrays["t"], arrays["alpha"], arrays["latents"]
    if (np.diff(t) >= 0).any() or (np.diff(alpha) <= 0).any() or not 0 < alpha[0] <= alpha[-1] < 1:
        raise ValueError(f"{path}: t or alpha out of order or range; expected noisiest first")
    if noise_spread(latents, alpha) > _CLEARLY * noise_spread(latents[::-1], alpha):
        raise ValueError(
            f"{path}: latents are in the wrong order, or not of one trajectory;"
            " expected noisiest first"
        )
