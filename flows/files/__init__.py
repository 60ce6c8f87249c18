"""Flow files: read with every check, written atomically.

The suffix names the format: `.npz` (key `flow`), `.npy`, `.flo` (Middlebury), `.png` (KITTI's 16
bits), `.pfm` (Scene Flow) and `.pth` (the PyTorch reference's [1, 2, H, W]; needs PyTorch). Inside,
a flow is [H, W, 2] float32: (dx, dy) in pixels, x right, y down. Every fault is a `ValueError` of
one line: FILE: what is wrong; expected what.
"""

from flows.files.replacing import atomic, atomic_folder
from flows.files.suffixes import (
    SUFFIXES,
    Sparse,
    check_suffix,
    read,
    read_holes,
    read_sparse,
    write,
)

__all__ = [
    "SUFFIXES",
    "Sparse",
    "atomic",
    "atomic_folder",
    "check_suffix",
    "read",
    "read_holes",
    "read_sparse",
    "write",
]
