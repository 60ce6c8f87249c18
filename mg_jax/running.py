"""Run phases to their result, with a progress bar, a record, and saved on the way."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from tqdm.auto import tqdm

from mg_jax import checkpoint, sample
from mg_jax.fingerprint import Fingerprint
from mg_jax.progress import show
from mg_jax.recording import Recording
from mg_jax.sample import Phase, Phases, Step

R = TypeVar("R")


class Saving(NamedTuple):
    """Where a run is saved (see `mg_jax.checkpoint`)."""

    folder: Path
    fingerprint: Fingerprint  # what the run is of
    every: int = checkpoint.EVERY  # after so many levels


def run(
    phases: Phases[R],
    samples: int,
    *,
    callback: Callable[[Step], None] | None = None,
    record: int = 0,
    progress: bool = True,
    saving: Saving | None = None,
) -> tuple[R, Recording]:
    """Walk all phases; return their result, and what was recorded.

    Args:
        phases: a model's run.
        samples: how many it has.
        callback: called with each step; an exception that it raises stops the run.
        record: keep the estimate of every so many levels; 0: of none.
        progress: show a bar, if in a terminal or notebook.
        saving: where the run is saved, and goes on after a stop; None: it is not.

    Raises:
        ValueError: `saving.folder` is not a folder for this run.
        Preempted: SIGTERM came, and the run is saved.
    """
    recording = Recording(samples, record)
    with (
        contextlib.nullcontext() if saving is None else checkpoint.opened(*saving) as saved,
        tqdm(desc="compiling", unit="level", disable=None if progress else True) as bar,
    ):

        def observe(step: Step) -> None:
            recording.add(step)
            show(bar, step)
            if saved is not None:
                saved.save(step, recording.arrays)
            if callback is not None:
                callback(step)

        def resume(phase: Phase) -> tuple[int, Any]:
            if saved is None:
                return sample.from_start(phase)
            done, state = saved.resume(phase)
            if done:  # else the record of the phases before it goes on
                recording.restore(saved.record)
            return done, state

        return sample.run(phases, observe, resume), recording
