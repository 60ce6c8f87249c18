"""Where our programs write."""

import tempfile
from pathlib import Path


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
