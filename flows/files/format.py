"""The interface of a flow file format: a reader, a writer, and the error that both raise."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from jaxtyping import Bool, Float32

Flow = Float32[np.ndarray, "h w 2"]
Known = Bool[np.ndarray, "h w"]


class FaultError(Exception):
    """What is wrong with a file and what was expected; the caller adds the file's name."""


class Format(NamedTuple):
    """How one suffix is read and written.

    Attributes:
        read: returns the array in a file, unchecked, and the mask of known pixels (None: all).
        write: writes a flow, which is 0 at unknown pixels, and the mask to an open file.
        marks_unknown: whether the format can mark pixels as unknown.
        able: raises `FaultError` if a package that the format needs is missing.
    """

    read: Callable[[Path], tuple[Any, Known | None]]
    write: Callable[[BinaryIO, Flow, Known], None]
    marks_unknown: bool
    able: Callable[[], object] = lambda: None


def begins_with(stream: BinaryIO, magic: bytes, name: str) -> None:
    """Check that an open file begins with its format's magic bytes, then rewind it.

    Raises:
        FaultError: it does not.
    """
    if stream.read(len(magic)) != magic:
        raise FaultError(f"does not begin with {magic!r}; expected {name}")
    stream.seek(0)
