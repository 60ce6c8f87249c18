"""KITTI's `.png`: 16 bits a channel; red and green hold 64·(dx, dy) + 2¹⁵, blue is 0 if unknown.

So motions are whole 64ths of a pixel, from −512 to just below 512 (Menze & Geiger, "Object Scene
Flow for Autonomous Vehicles", CVPR 2015; the development kit's readme).
"""

import warnings
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from flows.files.broken import BROKEN
from flows.files.format import FaultError, Flow, Format, Known, begins_with

_MAGIC = b"\x89PNG\r\n\x1a\n"
_UNIT = 64.0
_ZERO = 2**15
_EXPECTED = "expected KITTI's 16 bits of red, green and blue"


def _read(path: Path) -> tuple[Flow, Known]:
    import cv2  # Pillow reads no more than 8 bits of a coloured picture

    _verify(path)
    content = np.frombuffer(path.read_bytes(), np.uint8)
    try:
        picture = cv2.imdecode(content, cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise FaultError(f"cannot be decoded; {_EXPECTED}") from error
    if picture is None:
        raise FaultError(f"cannot be decoded; {_EXPECTED}")
    if picture.dtype != np.uint16 or picture.ndim != 3 or picture.shape[2] != 3:
        raise FaultError(f"holds {picture.dtype} of shape {list(picture.shape)}; {_EXPECTED}")
    blue, green, red = np.moveaxis(picture, -1, 0)
    flow = (np.stack([red, green], axis=-1).astype(np.float32) - _ZERO) / np.float32(_UNIT)
    return flow, blue != 0


def _verify(path: Path) -> None:
    """Refuse a damaged file here: OpenCV would print messages of its own."""
    with path.open("rb") as stream:
        begins_with(stream, _MAGIC, "KITTI's flow in a PNG")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on large pictures; too large ones raise an error
            with Image.open(path) as image:
                image.verify()
    except BROKEN as error:
        raise FaultError("broken, cut short or too large; expected a whole PNG") from error


def _write(stream: BinaryIO, flow: Flow, known: Known) -> None:
    import cv2

    values = np.round(flow.astype(np.float64) * _UNIT) + _ZERO
    outside = int(((values < 0) | (values > 2**16 - 1)).any(-1).sum())
    if outside:
        raise FaultError(
            f"{outside} pixels move by 512 pixels or more, which KITTI's .png has no room for;"
            " expected another suffix"
        )
    channels = [*np.moveaxis(values, -1, 0), np.ones(known.shape)]
    red, green, blue = (np.where(known, channel, 0).astype(np.uint16) for channel in channels)
    _, content = cv2.imencode(".png", np.stack([blue, green, red], axis=-1))
    stream.write(content.tobytes())


PNG = Format(_read, _write, marks_unknown=True)
