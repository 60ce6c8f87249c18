"""`.pfm`, as Scene Flow and its successors keep flows: three channels, dx, dy and 0.

A text header (`PF`, width, height, scale, which is negative if the bytes are little-endian), then
float32, the lowest row first (Debevec's portable float map; Mayer et al., CVPR 2016). Unknown
pixels are NaN or infinite.
"""

import re
from pathlib import Path
from typing import BinaryIO

import numpy as np

from flows.files.format import FaultError, Flow, Format, Known, begins_with

_HEADER = re.compile(rb"PF\s+(\d+)\s+(\d+)\s+([-+.\deE]+)\s")


def _read(path: Path) -> tuple[Flow, Known]:
    with path.open("rb") as stream:
        begins_with(stream, b"PF", "a .pfm file of three channels, dx, dy and 0")
        content = stream.read()
    header = _HEADER.match(content)
    if header is None:
        raise FaultError("has a broken header; expected PF, width, height and scale")
    width, height, scale = int(header[1]), int(header[2]), float(header[3])
    expected = header.end() + 12 * width * height
    if min(width, height) < 1 or len(content) != expected:
        raise FaultError(
            f"has {len(content)} bytes; expected {expected} for the {width}x{height} pixels of its"
            " header"
        )
    kind = "<f4" if scale < 0 else ">f4"
    values = np.frombuffer(content, kind, offset=header.end()).reshape(height, width, 3)
    flow = values[::-1, :, :2].astype(np.float32)
    return flow, np.asarray(np.isfinite(flow).all(-1))


def _write(stream: BinaryIO, flow: Flow, known: Known) -> None:
    height, width, _ = flow.shape
    values = np.where(known[..., None], flow, np.float32(np.nan))
    third = np.zeros((height, width, 1), np.float32)
    stream.write(f"PF\n{width} {height}\n-1.0\n".encode())
    stream.write(np.concatenate([values, third], axis=-1)[::-1].astype("<f4").tobytes())


PFM = Format(_read, _write, marks_unknown=True)
