"""A process that runs edits, one after the other, so that they can be stopped, and ended."""

import time
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, Int32

from mg_jax import api, filming
from mg_jax.animation import Animation
from mg_jax.interactive import parent, uploads
from mg_jax.notes import EditWarning
from mg_jax.result import Result
from mg_jax.sample import Step

CANCEL, STOP = "cancel", "stop"
FILM = "film.mp4"
_SECONDS = 2.0  # that a film plays
_EVERY = 1.0  # seconds between pictures of the estimate


class Job(NamedTuple):
    """An edit for the worker."""

    number: int
    photo: Path
    flow: Float32[np.ndarray, "h w 2"]
    order: Int32[np.ndarray, "h w"] | None
    options: dict[str, Any]  # further arguments of `mg_jax.edit`
    out: Path  # where the result is saved
    frames: int = 0  # of the film that is made besides; 0: none


class Cancelled(Exception):  # noqa: N818 - not an error
    """Raised in the callback of an edit that is to stop."""


Edit = Callable[..., Result]


def serve(connection: Connection, edit: Edit) -> None:
    """Run the jobs that come in, and tell how they go, as (number, kind, values).

    Kinds: "compiling", "level" (phase, done, levels, energy, seconds, picture), "done" (notes),
    "cancelled", "failed" (error). Returns when `STOP` comes or the other end is closed.
    """
    parent.end_with()
    while True:
        try:
            job = connection.recv()
        except (EOFError, OSError):
            return
        if job == STOP:
            return
        if isinstance(job, Job):
            _run(connection, edit, job)


def _run(connection: Connection, edit: Edit, job: Job) -> None:
    began, shown = time.monotonic(), 0.0

    def tell(kind: str, **values: Any) -> None:
        connection.send((job.number, kind, values))

    def stopped() -> None:
        if connection.poll() and connection.recv() in (CANCEL, STOP):
            raise Cancelled

    def callback(step: Step) -> None:
        nonlocal shown
        stopped()
        picture, now = "", time.monotonic()
        if now - shown >= _EVERY:
            picture, shown = uploads.encoded(uploads.png(step.picture()[0])), now
        energy = None if step.info is None else float(np.asarray(step.info.energy).ravel()[-1])
        tell(
            "level",
            phase=step.phase,
            done=step.done,
            levels=step.levels,
            energy=energy,
            seconds=now - began,
            picture=picture,
        )

    tell("compiling")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", EditWarning)
            result = edit(
                job.photo,
                job.flow,
                order=job.order,
                callback=callback,
                progress=False,
                **job.options,
            )
        result.save(job.out)
        if job.frames:
            _film(job, tell, stopped)
        notes = [str(one.message) for one in caught if one.category is EditWarning]
        tell("done", notes=notes)
    except Cancelled:
        tell("cancelled")
    except (ValueError, OSError, MemoryError, RuntimeError) as error:
        tell("failed", error=" ".join(str(error).split()) or type(error).__name__)


def _film(job: Job, tell: Callable[..., None], stopped: Callable[[], None]) -> None:
    """Film the motion beside the result, and tell of each frame as of a level."""
    request = api.request(job.photo, job.flow, order=job.order, **job.options)
    began, frames = time.monotonic(), []
    for frame in filming.pictures(request, job.frames):
        stopped()
        frames.append(frame)
        tell(
            "level",
            phase="film",
            done=len(frames),
            levels=job.frames,
            energy=None,
            seconds=time.monotonic() - began,
            picture=uploads.encoded(uploads.png(frame)),
        )
    Animation(frames, _SECONDS).save(job.out / FILM)
