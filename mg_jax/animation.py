"""Animations of pictures, shown in Jupyter or saved to a file."""

import base64
import io
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from flows import files

SUFFIXES = (".gif", ".webp", ".mp4")
_FORMATS = {".gif": "GIF", ".webp": "WEBP"}
_RATE = 30  # frames a second of .mp4
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
        """Write a .gif or .webp file, or .mp4 (VP9, even sides), whole or not at all.

        Raises:
            ValueError: another suffix, or the file cannot be written.
        """
        suffix = check_suffix(path)
        with files.atomic(Path(path)) as stream:
            if suffix in _FORMATS:
                stream.write(self._encoded(_FORMATS[suffix]))
            else:
                stream.write(self._video(str(path)))

    def _repr_html_(self) -> str:
        data = base64.b64encode(self._encoded("WEBP")).decode()
        return f'<img alt="{self!r}" src="data:image/webp;base64,{data}">'

    def _times(self, second: int) -> list[int]:
        """How long each frame is shown, in parts of a second."""
        each = max(1, round(second * self.seconds / (len(self.frames) - 1 + _LAST)))
        return [each] * (len(self.frames) - 1) + [_LAST * each]

    def _video(self, path: str) -> bytes:
        import cv2  # slow to import

        height, width, _ = self.frames[0].shape
        odd = ((0, height % 2), (0, width % 2), (0, 0))  # the format's sides are even
        size = (width + odd[1][1], height + odd[0][1])
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "film.mp4"
            code = cv2.VideoWriter.fourcc(*"vp09")
            writer = cv2.VideoWriter(str(file), code, _RATE, size)
            if not writer.isOpened():
                raise ValueError(f"{path}: OpenCV cannot encode VP9 here; expected .webp or .gif")
            for frame, times in zip(self.frames, self._times(_RATE), strict=True):
                for _ in range(times):
                    writer.write(np.pad(frame[..., ::-1], odd, mode="edge"))
            writer.release()
            return file.read_bytes()

    def _encoded(self, form: str) -> bytes:
        first, *rest = (Image.fromarray(frame) for frame in self.frames)
        times = self._times(1000)
        stream = io.BytesIO()
        first.save(
            stream, form, save_all=True, append_images=rest, duration=times, loop=0, quality=90
        )
        return stream.getvalue()


def check_suffix(path: str | os.PathLike[str]) -> str:
    """Return the suffix of an animation's file.

    Raises:
        ValueError: it is none that can be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(
            f"{path}: unknown suffix {suffix!r}; expected one of {', '.join(SUFFIXES)}"
        )
    return suffix
