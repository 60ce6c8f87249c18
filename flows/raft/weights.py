"""Load RAFT weights: the small model's ship with the package, others are fetched beforehand."""

import os
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy
from jax.typing import DTypeLike

from flows.files import atomic, pytorch
from flows.files.broken import said
from flows.files.format import FaultError
from flows.interfaces import FlowNetwork
from flows.raft.convert import build, to_arrays
from flows.raft.model import Raft
from flows.raft.norms import Statistics
from flows.raft.published import recognize

SHIPPED = {"raft-small": Path(__file__).parent / "weights" / "raft_small.safetensors"}
FETCHED = ("raft-sintel", "raft-kitti")
NAMES = (*SHIPPED, *FETCHED)
_PICKLES = (".pth", ".pt")


def load(
    name: str = "raft-small",
    *,
    statistics: Statistics = "running",
    dtype: DTypeLike = jnp.float32,
) -> Raft:
    """Load a RAFT network by name (raft-small, raft-sintel, raft-kitti) or from a file.

    Files: .safetensors, or PyTorch's .pth and .pt, in the layouts of princeton-vl, torchvision or
    this package. `statistics` and `dtype` as for `build`. Raises ValueError, with a message for the
    user, when the name or file is unknown, unreadable, or holds other weights.
    """
    path = find(name)
    try:
        return build(read(path), statistics=statistics, dtype=dtype)
    except ValueError as error:
        raise error if str(path) in str(error) else ValueError(f"{path}: {error}") from None


def find(name: str) -> Path:
    """Return the weights file of a name or path. Raises ValueError when there is none."""
    if name in SHIPPED:
        return SHIPPED[name]
    if name in FETCHED:
        return fetched(name)
    path = Path(name)
    if not path.is_file():
        raise ValueError(f"{name}: no such weights; expected a file or one of {', '.join(NAMES)}")
    return path


def fetched(name: str) -> Path:
    """Return the weights file that `experiments.fetch_weights` has stored under this name.

    Raises ValueError when it is not fetched yet.
    """
    path = cache_dir() / f"{name}.safetensors"
    if not path.is_file():
        raise ValueError(
            f"{name}: not fetched yet ({path} does not exist);"
            f" run: python -m experiments.fetch_weights --name={name}"
        )
    return path


def cache_dir() -> Path:
    """Folder of fetched weights: mg_jax in $XDG_CACHE_HOME, else in ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "mg_jax"


def read(path: Path) -> dict[str, np.ndarray]:
    """Read named arrays from a .safetensors, .pth or .pt file, without running pickled code.

    Raises ValueError, one line, when the file is of another kind, corrupted, or cannot be read.
    """
    if path.suffix in _PICKLES:
        return _read_pickle(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"{path}: unknown kind of weights; expected .safetensors, .pth or .pt")
    try:
        return safetensors.numpy.load_file(path)
    except (safetensors.SafetensorError, OSError) as error:
        raise ValueError(f"{path}: not a readable safetensors file ({said(error)})") from None
    except (AttributeError, TypeError) as error:  # safetensors looks the type up in numpy
        raise ValueError(
            f"{path}: holds a type that numpy lacks ({said(error)}); expected float16, bfloat16,"
            " float32 or float64"
        ) from None


def save(network: FlowNetwork, path: Path, origin: dict[str, str]) -> None:
    """Write any network's float32 parameters, and `origin` as metadata, to a .safetensors file.

    The file appears whole or not at all. Raises ValueError or OSError when it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    named = to_arrays(network.params).items()
    arrays = {name: np.ascontiguousarray(array) for name, array in named}
    with atomic(path) as stream:
        stream.write(safetensors.numpy.save(arrays, origin))


def _read_pickle(path: Path) -> dict[str, np.ndarray]:
    """Read a PyTorch checkpoint without running pickled code.

    The published ones, known by their hash, are read without PyTorch.
    """
    try:
        if known := recognize(path):
            return known.extract(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({said(error)})") from None
    try:
        import torch
    except ImportError:
        raise ValueError(
            f"{path}: reading a PyTorch file needs torch (pip install torch);"
            " .safetensors files need nothing more"
        ) from None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a dozen kinds for a corrupted file
        raise ValueError(f"{path}: not a readable PyTorch checkpoint ({said(error)})") from None
    if not isinstance(state, dict) or not all(torch.is_tensor(value) for value in state.values()):
        raise ValueError(f"{path}: holds no flat dictionary of tensors; expected a state dict")
    return {name: _array(path, name, value) for name, value in state.items()}


def _array(path: Path, name: str, tensor: Any) -> np.ndarray:
    try:
        return pytorch.array(tensor)
    except FaultError as fault:
        raise ValueError(f"{path}: {name}: {fault}") from None
