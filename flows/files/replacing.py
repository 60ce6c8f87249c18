"""Write files and folders atomically: they appear whole or not at all."""

import contextlib
import os
import platform
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


def _unique() -> str:
    """A part of a name that no other process uses, on no host that shares the folder."""
    return f"{platform.node()}.{secrets.token_hex(4)}"


@contextlib.contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file for writing that takes its name only when the block ends without an error.

    Readers see the old file or the new one, never a part of it. It is written next to its final
    place, since a rename is atomic only within one file system.

    Raises:
        ValueError: the folder is missing or may not be written, or the path is a folder.
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{path}: is a folder; expected the name of a file to write")
    temporary = path.with_name(f".{path.name}.{_unique()}.part")
    try:
        stream = temporary.open("wb")
    except OSError as error:
        raise ValueError(
            f"{path}: cannot be written ({error.strerror}); expected a name in an existing, "
            "writable folder"
        ) from error
    try:
        with stream:
            yield stream
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def atomic_folder(path: Path, *, replaces: bool = False) -> Iterator[Path]:
    """Make a folder that takes its name only when the block ends without an error.

    Missing parent folders are made as well. A folder that exists under this name already is
    replaced if `replaces`, and otherwise an error.

    Raises:
        OSError: it cannot be made or renamed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        dir=path.parent, prefix=f".{path.name}.{_unique()}.", ignore_cleanup_errors=True
    ) as beside:
        # One level deeper, since a temporary folder itself is closed to other users (mode 700).
        whole, old = Path(beside) / "whole", Path(beside) / "old"
        whole.mkdir()
        yield whole
        if not (replaces and path.exists()):
            whole.rename(path)
            return
        path.rename(old)
        try:
            whole.rename(path)
        except BaseException:
            old.rename(path)
            raise
