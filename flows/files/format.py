"""What a flow file's format is to the rest: a reader, a writer, and faults without a name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from jaxtyping import Bool, Float32

Flow = Float32[np.ndarray, "h w 2"]
Known = Bool[np.ndarray, "h w"]


class FaultError(Exception):
    """What is wrong with a file and what was expected, still without its name."""


class Format(NamedTuple):
    """How one suffix is read and written.

    Attributes:
        read: the array in a file, unchecked, and which pixels it knows (None: all).
        write: puts a flow into a stream; what is not known has flow 0.
        marks_unknown: whether the format has a place for pixels without a motion.
        able: raises `FaultError` where something is missing that the format needs.
    """

    read: Callable[[Path], tuple[Any, Known | None]]
    write: Callable[[BinaryIO, Flow, Known], None]
    marks_unknown: bool
    able: Callable[[], object] = lambda: None


def begins_with(stream: BinaryIO, magic: bytes, name: str) -> None:
    """Raise `FaultError` unless a file begins with its format's first bytes; rewind it."""
    if stream.read(len(magic)) != magic:
        raise FaultError(f"does not begin with {magic!r}; expected {name}")
    stream.seek(0)
