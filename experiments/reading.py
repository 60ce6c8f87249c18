"""Small inputs of our programs: schedules, recorded noise. Faults are one line each."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from absl import flags
from jaxtyping import Float, Float32

from flows.files.broken import BROKEN


@contextlib.contextmanager
def named(origins: Mapping[str, str]) -> Iterator[None]:
    """Name faults after where an argument comes from.

    A ValueError in the block that begins with an argument's name begins with what `origins` has for
    it instead, a file or flag; else with the flag of that name, if there is one.
    """
    try:
        yield
    except ValueError as error:
        argument, colon, rest = str(error).partition(":")
        flag = f"--{argument}" if argument in flags.FLAGS else argument
        raise ValueError(origins.get(argument, flag) + colon + rest) from error


def ramp(path: Path) -> Float[np.ndarray, " levels"]:
    """Read what multiplies the guidance weight, level by level. Raises ValueError."""
    values = _array(path, "a vector")
    if values.ndim != 1 or values.dtype.kind != "f":
        raise ValueError(f"{path}: {values.dtype} {values.shape}; expected a vector of floats")
    return values


def noise(path: Path) -> Float32[np.ndarray, "steps draws b h w c"]:
    """Read the noise of another run, to be replayed. Raises ValueError."""
    recording = _array(path, "noise")
    if recording.ndim != 6 or recording.dtype != np.float32:
        raise ValueError(
            f"{path}: {recording.dtype} {recording.shape}; expected float32"
            " [steps·recursions, draws, samples, h, w, c]"
        )
    if not np.isfinite(recording).all():
        raise ValueError(f"{path}: holds NaN or Inf; expected finite noise")
    return recording


def size_text(shape: tuple[int, ...]) -> str:
    """Write a height and width as people do."""
    return f"{shape[1]}x{shape[0]}"


def _array(path: Path, what: str) -> np.ndarray:
    try:
        with path.open("rb") as stream:
            return np.asarray(np.lib.format.read_array(stream, allow_pickle=False))
    except FileNotFoundError as error:
        raise ValueError(f"{path}: no such file; expected {what}") from error
    except BROKEN as error:
        raise ValueError(f"{path}: not a readable .npy file; expected {what}") from error
