"""Read and write one tensor of any shape in a `.pth` file; error messages name the file."""

from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Shaped

from flows.files import pytorch
from flows.files.format import FaultError


def read(path: Path) -> Shaped[np.ndarray, "..."]:
    """Read the tensor in a file as an array, with its own axes and dtype.

    bfloat16, which numpy lacks, becomes float32.

    Raises:
        ValueError: the file is missing, broken, holds something else than one tensor, or one that
            numpy cannot hold, or PyTorch is not installed.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such file; expected one tensor by torch.save")
    try:
        return pytorch.load(path)
    except FaultError as fault:
        raise ValueError(f"{path}: {fault}") from fault


def write(stream: BinaryIO, path: Path, array: Shaped[np.ndarray, "..."]) -> None:
    """Write a tensor to an open file; `path` is used in error messages only.

    Raises:
        ValueError: PyTorch is not installed.
    """
    try:
        pytorch.save(stream, array)
    except FaultError as fault:
        raise ValueError(f"{path}: {fault}") from fault
