"""One tensor in a `.pth` file, as `torch.save` writes it; read without running pickled code.

A flow has the PyTorch reference's shape, [1, 2, H, W].
"""

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Shaped

from flows.files.broken import BROKEN, said
from flows.files.format import FaultError, Flow, Format, Known

_WIDENED = ("torch.bfloat16", "torch.float8_e4m3fn", "torch.float8_e5m2")


def load(path: Path) -> Shaped[np.ndarray, "..."]:
    """Read the tensor in a file as an array, with its own axes and dtype.

    bfloat16, which numpy lacks, becomes float32.

    Raises:
        FaultError: the file is broken, holds something else than one tensor, or one that numpy
            cannot hold (see `array`), or PyTorch is not installed.
    """
    torch = installed()
    try:
        tensor = torch.load(path, map_location="cpu", weights_only=True)
    except BROKEN as error:
        # PyTorch's own messages advise to load without weights_only: never pass them on.
        raise FaultError(
            "broken, or not a plain tensor; expected one tensor by torch.save"
        ) from error
    if not isinstance(tensor, torch.Tensor):
        raise FaultError(f"holds a {type(tensor).__name__}; expected one tensor by torch.save")
    return array(tensor)


def array(tensor: Any) -> Shaped[np.ndarray, "..."]:
    """Convert a tensor to a NumPy array; bfloat16 and 8-bit floats, which it lacks, become float32.

    Raises:
        FaultError: it is sparse, quantised, or of another type that numpy lacks.
    """
    try:
        wide = tensor.float() if str(tensor.dtype) in _WIDENED else tensor
        return np.asarray(wide.numpy(force=True))
    except (TypeError, RuntimeError) as error:
        raise FaultError(
            f"holds a tensor that is no array ({said(error)});"
            " expected a dense one of ordinary numbers"
        ) from error


def save(stream: BinaryIO, values: Shaped[np.ndarray, "..."]) -> None:
    """Write a tensor to an open file.

    Raises:
        FaultError: PyTorch is not installed.
    """
    torch = installed()
    torch.save(torch.from_numpy(np.ascontiguousarray(values)), stream)


def installed() -> Any:
    """Import PyTorch and return the module.

    Raises:
        FaultError: it is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise FaultError(
            "needs PyTorch, which is not installed; expected it: pip install torch"
        ) from error
    return torch


def _read(path: Path) -> tuple[Any, None]:
    values = load(path)
    if values.ndim == 4 and values.shape[:2] == (1, 2):
        values = values[0].transpose(1, 2, 0)
    return values, None


def _write(stream: BinaryIO, flow: Flow, _known: Known) -> None:
    save(stream, flow.transpose(2, 0, 1)[None])


PTH = Format(_read, _write, marks_unknown=False, able=installed)
