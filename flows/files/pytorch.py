"""The PyTorch reference's `.pth`: one tensor [1, 2, H, W] by torch.save."""

import pickle
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from flows.files.format import FaultError, Flow, Format, Known

_BROKEN = (pickle.UnpicklingError, zipfile.BadZipFile, RuntimeError, KeyError, OSError, EOFError,
           ValueError, MemoryError)  # fmt: skip


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise FaultError(
            "needs PyTorch, which is not installed; expected .npz, .npy, .flo or .png"
        ) from error
    return torch


def _read(path: Path) -> tuple[Any, None]:
    torch = _torch()
    try:
        tensor = torch.load(path, map_location="cpu", weights_only=True)
    except _BROKEN as error:
        # PyTorch's own messages advise to load without weights_only: never pass them on.
        raise FaultError(
            "broken, or not a plain tensor; expected one tensor [1, 2, H, W] by torch.save"
        ) from error
    if not isinstance(tensor, torch.Tensor):
        raise FaultError(f"holds a {type(tensor).__name__}; expected one tensor [1, 2, H, W]")
    if tensor.ndim != 4 or tuple(tensor.shape[:2]) != (1, 2):
        raise FaultError(f"holds a tensor of shape {list(tensor.shape)}; expected [1, 2, H, W]")
    if not tensor.is_floating_point():
        raise FaultError(f"holds {tensor.dtype}; expected floating-point pixels")
    return tensor[0].permute(1, 2, 0).float().numpy(), None


def _write(stream: BinaryIO, flow: Flow, _known: Known) -> None:
    torch = _torch()
    torch.save(torch.from_numpy(np.ascontiguousarray(flow.transpose(2, 0, 1)[None])), stream)


PTH = Format(_read, _write, marks_unknown=False)
