"""What a run with Stable Diffusion may be given, and whether it fits."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32

from mg_jax import noise
from mg_jax.models.stable_diffusion.loading import StableDiffusion
from mg_jax.models.stable_diffusion.settings import Settings


class Given(NamedTuple):
    """What a run may be given, that it finds or draws otherwise; at the size worked at."""

    start: Float32[np.ndarray, "h w c"] | None = None  # the latent that sampling starts from
    trajectory: Float32[np.ndarray, "levels h w c"] | None = None  # the source's, noisiest first
    unconditional: Float32[np.ndarray, "levels n d"] | None = None  # by null-text optimisation
    keep: Bool[np.ndarray, "h w _"] | None = None  # latents where the source is kept
    recording: Float32[np.ndarray, "steps draws b h w c"] | None = None  # all noise, to replay


NOTHING = Given()


def check(
    given: Given,
    shape: tuple[int, int],
    samples: int,
    evaluations: int,
    settings: Settings,
    model: StableDiffusion,
) -> None:
    """Refuse what does not fit the run: `evaluations` of its levels, pictures of `shape`.

    Raises:
        ValueError: an array of another shape, or a start besides a warm one; it begins "given: ".
    """
    factor = model.config.vae.factor
    grid = (shape[0] // factor, shape[1] // factor)
    levels, latent = settings.steps, (*grid, model.config.vae.latent)
    if given.start is not None and settings.warm_start:
        raise ValueError(
            f"given: a start besides warm_start={settings.warm_start:g}; expected one of them"
        )
    text = (model.config.text.length, model.config.text.width)
    expected: dict[str, tuple[tuple[int, ...], ...]] = {
        "start": (latent,),
        "trajectory": ((levels, *latent),),
        "unconditional": ((levels, *text),),
        "keep": ((*grid, 1), latent),
    }
    for name, shapes in expected.items():
        array = getattr(given, name)
        if array is not None and array.shape not in shapes:
            raise ValueError(f"given: {name} of shape {array.shape}; expected {shapes[0]}")
    expected_noise = (evaluations, len(noise.Draw), samples, *latent)
    if given.recording is not None and (
        given.recording.shape[1:] != expected_noise[1:] or len(given.recording) < evaluations
    ):
        raise ValueError(
            f"given: recording of shape {given.recording.shape}; expected {expected_noise},"
            " or more of its steps"
        )


def in_pixels(keep: Bool[np.ndarray, "h w _"], shape: tuple[int, ...]) -> Bool[np.ndarray, "H W"]:
    """A mask of latents as one of a picture of `shape`, (H, W): True where every channel is."""
    rows, columns = (
        np.arange(size) * count // size for size, count in zip(shape, keep.shape[:2], strict=True)
    )
    return np.asarray(keep[rows[:, None], columns].all(axis=-1))
