"""One tensor in a `.pth` file, as `torch.save` writes it; nothing that is pickled in it runs.

A flow is the PyTorch reference's: [1, 2, H, W].
"""

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Shaped

from flows.files.broken import BROKEN, said
from flows.files.format import FaultError, Flow, Format, Known


def load(path: Path) -> Shaped[np.ndarray, "..."]:
    """Read the tensor of a file, in its own axes and type; bfloat16, which numpy lacks, as float32.

    Raises:
        FaultError: the file is broken, holds something else than one tensor, or one that is no
            array, or PyTorch is not installed.
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
    """A tensor as an array; bfloat16, which numpy lacks, as float32.

    Raises:
        FaultError: it is sparse, quantised, or of another type that numpy lacks.
    """
    try:
        wide = tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor
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
    found = load(path)
    if found.ndim != 4 or found.shape[:2] != (1, 2):
        raise FaultError(f"holds a tensor of shape {list(found.shape)}; expected [1, 2, H, W]")
    return found[0].transpose(1, 2, 0), None


def _write(stream: BinaryIO, flow: Flow, _known: Known) -> None:
    save(stream, flow.transpose(2, 0, 1)[None])


PTH = Format(_read, _write, marks_unknown=False, able=installed)
