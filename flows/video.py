"""Read frames of videos at times in seconds."""

import math
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8


class Frame(NamedTuple):
    """A frame of a video.

    Attributes:
        picture: RGB, 0 to 255.
        seconds: the frame's own time, which may differ a little from the time asked for.
    """

    picture: UInt8[np.ndarray, "h w 3"]
    seconds: float


def frame(path: str | os.PathLike[str], seconds: float) -> Frame:
    """Read the frame nearest to a time in seconds.

    Raises:
        ValueError: no such file, not a video that OpenCV decodes, or a time outside it.
    """
    path = Path(path)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "no such file"
        raise ValueError(f"{path}: {what}; expected a video")
    # Silence FFmpeg's own messages on standard error; it reads this once, when it is loaded.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    import cv2

    capture = cv2.VideoCapture(str(path))
    try:
        rate, count = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
        if not capture.isOpened() or not rate > 0 or count < 1:
            raise ValueError(f"{path}: cannot be decoded; expected a video, as .mp4 or .avi")
        index = math.floor(seconds * rate + 0.5) if math.isfinite(seconds) else -1
        if not 0 <= index < count:
            raise ValueError(
                f"{path}: has no frame at {seconds:g} s; expected a time from 0 to"
                f" {(count - 1) / rate:.2f} s"
            )
        capture.set(cv2.CAP_PROP_POS_FRAMES, index)
        decoded, picture = capture.read()
        shown = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if not decoded:
            raise ValueError(f"{path}: cannot be decoded at {seconds:g} s; expected a whole video")
    finally:
        capture.release()
    return Frame(np.ascontiguousarray(picture[..., ::-1]), shown)
