"""Where our programs write, and how settings and shares are written."""

import dataclasses
import importlib.metadata
import math
import os
import platform
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import mg_jax
from mg_jax.settings import Settings

_PACKAGES = ("jax", "jaxlib", "flax", "numpy", "optax", "scikit-image")


def folder(path: Path, flag: str) -> Path:
    """Make a folder, if it is missing, and write a file to it and take it away.

    Raises:
        ValueError: that fails; the line begins with the flag.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise ValueError(f"{flag}: {error.strerror}; expected a writable folder") from error
    return path


def check_apart(written: Iterable[Path], read: Iterable[str], flag: str) -> None:
    """Find out, before any work, whether a file to write is one to read, by whatever way named.

    Raises:
        ValueError: it is; the line begins with the flag.
    """
    kept = {os.path.realpath(path) for path in read}
    for path in written:
        if os.path.realpath(path) in kept:
            raise ValueError(
                f"{flag}: would overwrite {path}, which is read; expected another name"
            )


def described(settings: Settings) -> dict[str, Any]:
    """Settings by name, for a JSON file: that has no number for infinity."""
    values = dataclasses.asdict(settings)
    return {name: "inf" if value == math.inf else value for name, value in values.items()}


def versions() -> dict[str, str]:
    """Of Python, of what computes, and of this package."""
    return {
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in _PACKAGES},
        "mg_jax": mg_jax.__version__,
    }
