"""Films: a motion by degrees, each frame an edit by its share of the motion."""

import dataclasses
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8
from tqdm.auto import tqdm

from flows.motion import Motion
from flows.partial import partial
from mg_jax import api, compilation, notes, running
from mg_jax.animation import Animation
from mg_jax.arguments import Anything
from mg_jax.interfaces import FilmModel, Model, ModelResult, Request
from mg_jax.models import registry
from mg_jax.models.stable_diffusion.loading import StableDiffusion
from mg_jax.networks import Named
from mg_jax.notes import EditWarning
from mg_jax.sample import Phases
from mg_jax.settings import Settings

_FEWEST, _MOST = 2, 1000


def film(
    image: Anything,
    flow: Anything,
    frames: int = 24,
    prompt: str = "",
    model: str | Path | StableDiffusion | Model = registry.PREVIEW,
    seed: int = 0,
    *,
    mask: Anything | None = None,
    keep_mask: Anything | None = None,
    order: Int[np.ndarray, "h w"] | None = None,
    flow_model: Named = "raft-small",
    settings: Settings | None = None,
    seconds: float = 2.0,
    progress: bool = True,
) -> Animation:
    """Film a motion: the photo, then edits by growing shares of the motion, to all of it.

    What turns turns by degrees (see `flows.partial`). "preview" and "patch" fill in the background
    once for all frames. Stable Diffusion edits each frame by itself, from the same noise: what it
    invents may flicker.

    Args:
        image: the photo, as for `mg_jax.edit`.
        flow: the whole motion, that of the last frame, as for `mg_jax.edit`.
        frames: how many pictures, 2 to 1000, the photo among them.
        prompt: as for `mg_jax.edit`, like the other arguments that are not described here.
        model: "preview", in about a second a frame; any other takes the time of an edit a frame.
        seed: see `mg_jax.edit`.
        mask: see `mg_jax.edit`.
        keep_mask: see `mg_jax.edit`.
        order: see `mg_jax.edit`.
        flow_model: guides the frames, unless the model is "preview".
        settings: see `mg_jax.edit`.
        seconds: how long the film plays; the last frame is shown longer.
        progress: show a progress bar, if in a terminal or notebook.

    Raises:
        ValueError: one line that names the argument or file, what is wrong, what is expected.
    """
    compilation.keep_programs()
    asked = api.request(
        image,
        flow,
        prompt,
        model,
        seed,
        mask=mask,
        keep_mask=keep_mask,
        order=order,
        flow_model=flow_model,
        settings=settings,
    )
    for note in notes.for_request(asked):
        warnings.warn(note, EditWarning, stacklevel=2)
    return of_request(asked, frames, seconds, progress=progress)


def of_request(
    request: Request, frames: int = 24, seconds: float = 2.0, *, progress: bool = True
) -> Animation:
    """Film a checked request of one sample; the arguments are those of `film`.

    Raises:
        ValueError: too few frames, too many, or no time.
    """
    making = pictures(request, frames)
    bar = tqdm(making, "film", frames, unit="frame", disable=None if progress else True)
    return Animation(list(bar), seconds)


def pictures(request: Request, frames: int) -> Iterator[UInt8[np.ndarray, "H W 3"]]:
    """Make the frames of a film one after the other, of the first sample; the first is the photo.

    Raises:
        ValueError: too few frames, or too many.
    """
    check_frames(frames)
    one = dataclasses.replace(request, keys=request.keys[:1], mesh=None, padding=0)
    return _pictures(one, np.linspace(0, 1, frames)[1:].tolist())


def check_frames(frames: int) -> None:
    """Raise ValueError for a number of frames that no film has."""
    if not _FEWEST <= frames <= _MOST:
        raise ValueError(f"frames: {frames}; expected {_FEWEST} to {_MOST}")


def _pictures(request: Request, shares: list[float]) -> Iterator[UInt8[np.ndarray, "H W 3"]]:
    yield request.image
    model = request.model
    each = model.film(request, shares) if isinstance(model, FilmModel) else _alone(request, shares)
    for phases in each:
        result, _ = running.run(phases, request.keys.size, progress=False)
        yield result.images[0]


def _alone(request: Request, shares: list[float]) -> Iterator[Phases[ModelResult]]:
    """Each frame as an edit that knows nothing of the others."""
    whole = request.motion
    for share in shares:
        flow = partial(whole.flow, whole.solid, share, request.order)
        yield request.model.edit(dataclasses.replace(request, motion=Motion(flow)))
