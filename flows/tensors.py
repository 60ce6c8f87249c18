"""One tensor in a `.pth` file, as `torch.save` writes it; nothing that is pickled in it runs."""

import pickle
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Shaped

_BROKEN = (
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    KeyError,
    MemoryError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
)


def read(path: Path) -> Shaped[np.ndarray, "..."]:
    """Read the tensor of a file, in its own axes and type; bfloat16, which numpy lacks, as float32.

    Raises:
        ValueError: the file is missing, broken, holds something else than one tensor, or PyTorch
            is not installed.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such file; expected one tensor by torch.save")
    torch = _torch(path)
    try:
        tensor = torch.load(path, map_location="cpu", weights_only=True)
    except _BROKEN as error:
        # PyTorch's own messages advise to load without weights_only: never pass them on.
        raise ValueError(
            f"{path}: broken, or not a plain tensor; expected one tensor by torch.save"
        ) from error
    if not isinstance(tensor, torch.Tensor):
        raise ValueError(f"{path}: holds a {type(tensor).__name__}; expected one tensor")
    tensor = tensor.detach()
    array: np.ndarray = (tensor.float() if tensor.dtype is torch.bfloat16 else tensor).numpy()
    return array


def write(stream: BinaryIO, path: Path, array: Shaped[np.ndarray, "..."]) -> None:
    """Write a tensor to an open file; `path` is its name, for the error.

    Raises:
        ValueError: PyTorch is not installed.
    """
    _torch(path).save(_torch(path).from_numpy(np.ascontiguousarray(array)), stream)


def _torch(path: Path) -> Any:
    try:
        import torch
    except ImportError as error:
        raise ValueError(
            f"{path}: a .pth file needs PyTorch, which is not installed; pip install torch"
        ) from error
    return torch
