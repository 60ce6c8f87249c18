"""Named arrays in files of weights, each read only when it is needed.

Files are `.safetensors`, and PyTorch's `.ckpt`, `.pt`, `.pth` and `.bin`, which are read without
running pickled code.
"""

import json
import pickle
import zipfile
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
import safetensors
from jaxtyping import Float32, Shaped

from flows.files import pytorch
from flows.files.broken import said
from flows.files.format import FaultError

PICKLES = (".ckpt", ".pt", ".pth", ".bin")

_DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
}
_EIGHT_BITS = {"F8_E4M3": ml_dtypes.float8_e4m3fn, "F8_E5M2": ml_dtypes.float8_e5m2}
_POINTER = b"version https://git-lfs"
_PAGES = (b"<!doctype", b"<html")

# Of these packages training programs store objects beside the weights; inert ones replace them.
_INERT = (
    "_codecs.encode",
    "argparse.",
    "collections.",
    "lightning.",
    "lightning_fabric.",
    "numpy.",
    "omegaconf.",
    "pathlib.",
    "pytorch_lightning.",
    "torchmetrics.",
    "typing.",
)


class Stored(NamedTuple):
    """An array that is still in its file; `read` loads it."""

    shape: tuple[int, ...]
    dtype: str  # numpy's name for floats (8-bit ones: ml_dtypes'), else the file's own name
    read: Callable[[], Shaped[np.ndarray, "..."]]


class Archive(NamedTuple):
    """The content of a file of weights."""

    arrays: Mapping[str, Stored]
    beside: Mapping[str, Any]  # what a training program stored beside them
    metadata: Mapping[str, str]  # of a .safetensors file, empty for the others


def read(path: Path) -> Archive:
    """List a file's arrays, without reading their values yet.

    Raises ValueError, one line, when the file is missing, empty, cut short, a Git LFS pointer
    instead of weights, of an unknown suffix, holds something else, or needs torch, which is not
    installed.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such file; expected weights")
    try:
        with path.open("rb") as stream:
            head = stream.read(len(_POINTER))
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from None
    if not head:
        raise ValueError(f"{path}: is empty; expected weights")
    if head == _POINTER:
        raise ValueError(
            f"{path}: is a Git LFS pointer, not the weights themselves; fetch them: git lfs pull"
        )
    if head.lstrip().lower().startswith(_PAGES):
        raise ValueError(f"{path}: is a web page, not weights; download them again")
    if path.suffix == ".safetensors":
        return _safetensors(path)
    if path.suffix in PICKLES:
        return _pickle(path)
    known = ", ".join((".safetensors", *PICKLES))
    raise ValueError(f"{path}: unknown kind of weights; expected {known}")


def read_all(files: Iterable[Path]) -> dict[str, Stored]:
    """List the arrays of one network that is stored in several files (shards).

    Raises ValueError, one line, as `read` does, and when two files hold an array of the same name.
    """
    merged: dict[str, Stored] = {}
    for file in files:
        more = read(file).arrays
        if twice := sorted(merged.keys() & more.keys()):
            raise ValueError(f"{file}: holds {twice[0]}, as does another file; expected once")
        merged |= more
    return merged


def read_index(path: Path) -> list[Path]:
    """Return the shards that an index, *.safetensors.index.json, lists, sorted by name.

    Raises ValueError, one line, when it cannot be read.
    """
    try:
        places = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
        return [path.parent / name for name in sorted(set(places.values()))]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: broken ({error}); expected an index of weights") from None


def _safetensors(path: Path) -> Archive:
    try:
        with safetensors.safe_open(path, "numpy") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            found = {
                name: Stored(
                    tuple(one.get_shape()),
                    _DTYPES.get(one.get_dtype(), one.get_dtype()),
                    partial(_tensor, path, name),
                )
                for name, one in slices.items()
            }
            return Archive(found, {}, file.metadata() or {})
    except (safetensors.SafetensorError, OSError) as error:
        raise ValueError(
            f"{path}: broken or cut short ({said(error)}); expected a whole safetensors file"
        ) from None


def _tensor(path: Path, name: str) -> Shaped[np.ndarray, "..."]:
    """Read one array, and close the file, so that the pages read do not stay in memory."""
    with safetensors.safe_open(path, "numpy") as file:
        if file.get_slice(name).get_dtype() in _EIGHT_BITS:
            return _eight_bits(path, name)
        array: np.ndarray = file.get_tensor(name)
        return array


def _eight_bits(path: Path, name: str) -> Float32[np.ndarray, "..."]:
    """Read an array of 8-bit floats, which safetensors cannot give to NumPy, and widen it.

    Its place is in the file's header: JSON, after 8 bytes that say how long that is.
    """
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        entry = json.loads(stream.read(length))[name]
        begin, end = entry["data_offsets"]
        stream.seek(8 + length + begin)
        content = np.frombuffer(stream.read(end - begin), _EIGHT_BITS[entry["dtype"]])
    return content.reshape(entry["shape"]).astype(np.float32)


class _Inert:
    """A stand-in for pickled objects that are no arrays; it does nothing."""

    def __new__(cls, *_: object) -> "_Inert":
        return super().__new__(cls)

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


def _pickle(path: Path) -> Archive:
    try:
        import torch
    except ImportError:
        raise ValueError(
            f"{path}: reading a PyTorch file needs torch (pip install torch);"
            " .safetensors files need nothing more"
        ) from None
    try:
        content = _loaded(path)
    except pickle.UnpicklingError as error:
        wanted = _wanted(error) or "what no array needs"
        raise ValueError(
            f"{path}: holds more than arrays ({wanted}); expected weights alone: nothing else in a"
            " pickle is run"
        ) from None
    except Exception as error:  # torch raises a dozen kinds for a corrupted file
        raise ValueError(
            f"{path}: broken or cut short ({said(error)}); expected a PyTorch checkpoint"
        ) from None
    beside: dict[str, Any] = {}
    while isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        beside |= {str(name): value for name, value in content.items() if name != "state_dict"}
        content = content["state_dict"]
    if not isinstance(content, dict):
        raise ValueError(f"{path}: holds a {type(content).__name__}; expected named arrays")
    arrays = {str(name): value for name, value in content.items() if torch.is_tensor(value)}
    beside |= {str(name): value for name, value in content.items() if str(name) not in arrays}
    return Archive({name: _of_torch(name, tensor) for name, tensor in arrays.items()}, beside, {})


def _loaded(path: Path) -> Any:
    """Unpickle arrays; an object of the packages in `_INERT` becomes one that does nothing.

    Raises pickle.UnpicklingError for any other object, and whatever torch raises.
    """
    import torch

    inert: dict[str, type] = {}
    while True:
        try:
            with torch.serialization.safe_globals([(one, name) for name, one in inert.items()]):
                return torch.load(
                    path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
                )
        except pickle.UnpicklingError as error:
            name = _wanted(error)
            if name in inert or not name.startswith(_INERT):
                raise
            inert[name] = type("Inert", (_Inert,), {})


def _wanted(error: pickle.UnpicklingError) -> str:
    """The object that a pickle asks for, from torch's message; empty if it is about another fault.

    The message itself advises to load without weights_only: it is never passed on.
    """
    return str(error).partition("GLOBAL ")[2].split(" ")[0]


def _of_torch(name: str, tensor: Any) -> Stored:
    def value() -> Shaped[np.ndarray, "..."]:
        try:
            return pytorch.array(tensor)
        except FaultError as fault:
            raise ValueError(f"{name}: {fault}") from None

    return Stored(tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."), value)
