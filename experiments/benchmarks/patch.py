"""The default edit, end to end: in new processes, and again in one that has compiled it."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, UInt8

import mg_jax
from experiments import motion_flags
from experiments.benchmarks.figures import OURS, Figure
from experiments.subprocesses import alone
from flows import files, motions
from mg_jax import api, images

_SQUARE = 512  # pixels a side


class Case(NamedTuple):
    """A photo and its motion."""

    name: str
    photo: UInt8[np.ndarray, "h w 3"]
    flow: Float32[np.ndarray, "h w 2"]


class EditTimes(NamedTuple):
    """What an edit took."""

    seconds: float
    compiling: float
    memory: int  # bytes, the peak


def cases() -> list[Case]:
    """The photo that ships, with its motion; and the square around its object, enlarged."""
    photo = images.read(motion_flags.IMAGE)
    mask = images.read_mask(motion_flags.MASK)
    motion = motions.parse(motion_flags.MOTION)
    height, width = mask.shape
    left = (width - height) // 2
    square = slice(None), slice(left, left + height)
    large = images.resize(photo[square], _SQUARE, _SQUARE)
    white = images.resize(255 * mask[square].astype(np.uint8)[..., None], _SQUARE, _SQUARE)
    return [
        Case(f"shipped photo, {width}x{height}", photo, motions.field(motion, mask)),
        Case(f"photo, {_SQUARE}x{_SQUARE}", large, motions.field(motion, white[..., 0] > 127)),
    ]


def measure(
    shown: Sequence[Case], settings: mg_jax.PatchSettings, repetitions: int
) -> Iterator[Figure]:
    """Edit each case in a new process with nothing on disk; with programs there; and compiled."""
    for case in shown:
        with tempfile.TemporaryDirectory(prefix="edits.") as folder:
            cold, *warm = (
                in_new_process(case, settings, Path(folder)) for _ in range(1 + repetitions)
            )
        runs = {
            "new process, no programs kept": [cold],
            "new process, programs on disk": warm,
            "again in one process": alone(in_one_process, case, settings, repetitions),
        }
        for when, edits in runs.items():
            yield Figure(
                f"edit, {case.name}, {when}",
                OURS,
                tuple(done.seconds for done in edits),
                memory=max(done.memory for done in edits),
            )
            yield Figure(
                f"… of it compiling, {case.name}, {when}",
                OURS,
                tuple(done.compiling for done in edits),
            )


def in_new_process(case: Case, settings: mg_jax.PatchSettings, folder: Path) -> EditTimes:
    """Run the program for users, from its start to its end; `folder` keeps compiled programs.

    Raises:
        ValueError: it failed; what it said.
    """
    images.write(folder / "photo.png", case.photo)
    files.write(folder / "flow.npz", case.flow)
    command = [
        *(sys.executable, "-m", "experiments.edit"),
        f"--image={folder / 'photo.png'}",
        f"--flow={folder / 'flow.npz'}",
        f"--out={folder / 'out'}",
        *(f"--{name}={getattr(settings, name)}" for name in ("size", "steps", "recursions")),
    ]
    environment = os.environ | {"XDG_CACHE_HOME": str(folder)}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    begin = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - begin
    if done.returncode:
        raise ValueError(f"experiments.edit: {(done.stderr.splitlines() or ['failed'])[-1]}")
    metrics = json.loads((folder / "out" / "metrics.json").read_text(encoding="utf-8"))
    return EditTimes(seconds, metrics["seconds_compile"], metrics["peak_memory_bytes"])


def in_one_process(case: Case, settings: mg_jax.PatchSettings, repetitions: int) -> list[EditTimes]:
    """Edit so many times, after one edit that is not counted."""
    edits = []
    for _ in range(1 + repetitions):
        request = api.request(case.photo, case.flow, settings=settings)
        scores = api.run(request, progress=False).metrics
        edits.append(
            EditTimes(
                scores["seconds"], scores["seconds_compile"], int(scores["peak_memory_bytes"])
            )
        )
    return edits[1:]
