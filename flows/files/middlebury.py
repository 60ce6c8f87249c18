"""Middlebury's `.flo`: a magic number, width, height, then (dx, dy) of float32, row by row.

Unknown pixels hold values above 1e9, or NaN (Baker et al., "A Database and Evaluation Methodology
for Optical Flow", IJCV 2011; flowIO.h).
"""

import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np

from flows.files.format import FaultError, Flow, Format, Known, begins_with

_MAGIC = b"PIEH"  # 202021.25 as a little-endian float: catches the wrong byte order as well
_LARGEST = 1e9
_UNKNOWN = 1666666752.0  # as in Middlebury's own files


def _read(path: Path) -> tuple[Flow, Known]:
    with path.open("rb") as stream:
        begins_with(stream, _MAGIC, "a Middlebury .flo file")
        content = stream.read()
    width, height = struct.unpack("<ii", content[4:12])
    expected = 12 + 8 * width * height
    if min(width, height) < 1 or len(content) != expected:
        raise FaultError(
            f"has {len(content)} bytes; expected {expected} for the {width}x{height} pixels of its "
            "header"
        )
    flow = np.frombuffer(content, "<f4", offset=12).reshape(height, width, 2).astype(np.float32)
    return flow, np.asarray((np.abs(flow) <= _LARGEST).all(-1))


def _write(stream: BinaryIO, flow: Flow, known: Known) -> None:
    if (np.abs(flow) > _LARGEST).any():
        raise FaultError("moves by more than 1e9 pixels, which a .flo file takes for unknown")
    height, width, _ = flow.shape
    values = np.where(known[..., None], flow, np.float32(_UNKNOWN))
    stream.write(_MAGIC + struct.pack("<ii", width, height) + values.astype("<f4").tobytes())


FLO = Format(_read, _write, marks_unknown=True)
