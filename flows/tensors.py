"""One tensor in a `.pth` file, whatever it means; its faults name the file."""

from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Shaped

from flows.files import pytorch
from flows.files.format import FaultError


def read(path: Path) -> Shaped[np.ndarray, "..."]:
    """Read the tensor of a file, in its own axes and type; bfloat16, which numpy lacks, as float32.

    Raises:
        ValueError: the file is missing, broken, holds something else than one tensor, or one that
            is no array, or PyTorch is not installed.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such file; expected one tensor by torch.save")
    try:
        return pytorch.load(path)
    except FaultError as fault:
        raise ValueError(f"{path}: {fault}") from fault


def write(stream: BinaryIO, path: Path, array: Shaped[np.ndarray, "..."]) -> None:
    """Write a tensor to an open file; `path` is its name, for the error.

    Raises:
        ValueError: PyTorch is not installed.
    """
    try:
        pytorch.save(stream, array)
    except FaultError as fault:
        raise ValueError(f"{path}: {fault}") from fault
