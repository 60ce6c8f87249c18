"""Parts of another run that a run with Stable Diffusion may repeat, and their check."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from mg_jax import noise, schedule, trajectory
from mg_jax.models.stable_diffusion import inputs
from mg_jax.models.stable_diffusion.loading import StableDiffusion
from mg_jax.models.stable_diffusion.settings import StableDiffusionSettings
from mg_jax.settings import Settings

_FACTOR = 8  # pixels a side of one latent


class Replay(NamedTuple):
    """Arrays of another run, used instead of computing or drawing them; at the working size."""

    start: Float32[np.ndarray, "h w c"] | None = None  # the latent that sampling starts from
    trajectory: Float32[np.ndarray, "levels h w c"] | None = None  # the source's, noisiest first
    unconditional: Float32[np.ndarray, "levels n d"] | None = None  # by null-text optimisation
    keep: Bool[np.ndarray, "h w _"] | None = None  # True at latents where the source is kept
    recording: Float32[np.ndarray, "steps draws b h w c"] | None = None  # all noise, to replay


def of_trajectory(
    path: str, photo: UInt8[np.ndarray, "H W 3"], prompt: str, settings: Settings
) -> Replay:
    """Read a photo's trajectory, and its null-text embeddings, for an edit with these settings.

    Raises:
        ValueError: as for `trajectory.read` and `trajectory.check_fits`.
    """
    assert isinstance(settings, StableDiffusionSettings)
    inverted = trajectory.read(path)
    height, width = inputs.work_shape(photo.shape[:2], settings.working_size)
    grid = (height // _FACTOR, width // _FACTOR)
    levels = schedule.ddim(settings.steps)
    trajectory.check_fits(path, inverted, photo, grid, levels, prompt, settings.cfg_scale)
    return Replay(trajectory=inverted.latents, unconditional=inverted.unconditional)


def check(
    replay: Replay,
    shape: tuple[int, int],
    samples: int,
    evaluations: int,
    settings: StableDiffusionSettings,
    model: StableDiffusion,
) -> None:
    """Check that a replay fits a run with so many `evaluations` on pictures of `shape` (h, w).

    Raises:
        ValueError: an array has another shape, or there are a start and a warm start; the message
            begins "replay: ".
    """
    factor = model.config.vae.factor
    grid = (shape[0] // factor, shape[1] // factor)
    levels, latent = settings.steps, (*grid, model.config.vae.latent)
    if replay.start is not None and settings.warm_start:
        raise ValueError(
            f"replay: a start besides warm_start={settings.warm_start:g}; expected one of them"
        )
    text = (model.config.text.length, model.config.text.width)
    expected: dict[str, tuple[tuple[int, ...], ...]] = {
        "start": (latent,),
        "trajectory": ((levels, *latent),),
        "unconditional": ((levels, *text),),
        "keep": ((*grid, 1), latent),
    }
    for name, shapes in expected.items():
        array = getattr(replay, name)
        if array is not None and array.shape not in shapes:
            raise ValueError(f"replay: {name} of shape {array.shape}; expected {shapes[0]}")
    expected_noise = (evaluations, len(noise.Draw), samples, *latent)
    if replay.recording is not None and (
        replay.recording.shape[1:] != expected_noise[1:] or len(replay.recording) < evaluations
    ):
        raise ValueError(
            f"replay: recording of shape {replay.recording.shape}; expected {expected_noise},"
            " or more of its steps"
        )


def in_pixels(keep: Bool[np.ndarray, "h w _"], shape: tuple[int, ...]) -> Bool[np.ndarray, "H W"]:
    """Enlarge a mask of latents to a picture of `shape` (H, W): True where all channels are."""
    rows, columns = (
        np.arange(size) * count // size for size, count in zip(shape, keep.shape[:2], strict=True)
    )
    return np.asarray(keep[rows[:, None], columns].all(axis=-1))
