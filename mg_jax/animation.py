"""Animations of pictures, shown in Jupyter or saved to a file."""

import base64
import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from flows import files

_FORMATS = {".gif": "GIF", ".webp": "WEBP"}
_LAST = 5  # the last frame is shown as long as this many others


class Animation:
    """An animation of pictures of one size, in an endless loop. Jupyter plays it."""

    def __init__(self, frames: Sequence[UInt8[np.ndarray, "h w 3"]], seconds: float):
        """Play all `frames` within `seconds`; the last is shown five times as long as the others.

        Raises:
            ValueError: no frame, or no time.
        """
        if not frames:
            raise ValueError("frames: none; expected one or more")
        if not seconds > 0:
            raise ValueError(f"seconds: {seconds}; expected more than 0")
        self.frames = tuple(frames)
        self.seconds = seconds

    def __repr__(self) -> str:
        """One line: frames, size, time."""
        height, width, _ = self.frames[0].shape
        return f"Animation({len(self.frames)} frames, {width}x{height}, {self.seconds:g} s)"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a .gif or .webp file, whole or not at all.

        Raises:
            ValueError: another suffix, or the file cannot be written.
        """
        suffix = Path(path).suffix.lower()
        if suffix not in _FORMATS:
            raise ValueError(f"{path}: unknown suffix {suffix!r}; expected .gif or .webp")
        with files.atomic(Path(path)) as stream:
            stream.write(self._encoded(_FORMATS[suffix]))

    def _repr_html_(self) -> str:
        data = base64.b64encode(self._encoded("WEBP")).decode()
        return f'<img alt="{self!r}" src="data:image/webp;base64,{data}">'

    def _encoded(self, form: str) -> bytes:
        first, *rest = (Image.fromarray(frame) for frame in self.frames)
        each = max(1, round(1000 * self.seconds / (len(self.frames) - 1 + _LAST)))
        times = [each] * len(rest) + [_LAST * each]
        stream = io.BytesIO()
        first.save(
            stream, form, save_all=True, append_images=rest, duration=times, loop=0, quality=90
        )
        return stream.getvalue()
