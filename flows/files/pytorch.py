"""One tensor in a `.pth` file, as `torch.save` writes it; nothing that is pickled in it runs.

A flow is the PyTorch reference's: [1, 2, H, W].
"""

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Shaped

from flows.files.broken import BROKEN
from flows.files.format import FaultError, Flow, Format, Known


def load(path: Path) -> Shaped[np.ndarray, "..."]:
    """Read the tensor of a file, in its own axes and type; bfloat16, which numpy lacks, as float32.

    Raises:
        FaultError: the file is broken, holds something else than one tensor, or PyTorch is not
            installed.
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
    tensor = tensor.detach()
    array: np.ndarray = (tensor.float() if tensor.dtype is torch.bfloat16 else tensor).numpy()
    return array


def save(stream: BinaryIO, array: Shaped[np.ndarray, "..."]) -> None:
    """Write a tensor to an open file.

    Raises:
        FaultError: PyTorch is not installed.
    """
    torch = installed()
    torch.save(torch.from_numpy(np.ascontiguousarray(array)), stream)


def installed() -> Any:
    """PyTorch.

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
    array = load(path)
    if array.ndim != 4 or array.shape[:2] != (1, 2):
        raise FaultError(f"holds a tensor of shape {list(array.shape)}; expected [1, 2, H, W]")
    return array[0].transpose(1, 2, 0), None


def _write(stream: BinaryIO, flow: Flow, _known: Known) -> None:
    save(stream, flow.transpose(2, 0, 1)[None])


PTH = Format(_read, _write, marks_unknown=False, able=installed)
