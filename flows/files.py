"""Flow files: read with every check, written atomically.

The suffix names the format: `.npz` (key `flow`), `.npy`, `.flo` (Middlebury) and `.pth` (the
PyTorch reference's [1, 2, H, W]; needs PyTorch). Inside, a flow is [H, W, 2] float32: (dx, dy) in
pixels, x right, y down. Every fault is a `ValueError` of one line: FILE: what is wrong; expected
what.
"""

import contextlib
import os
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from jaxtyping import Float32

Flow = Float32[np.ndarray, "h w 2"]

_FLO_MAGIC = b"PIEH"  # 202021.25 as a little-endian float: catches the wrong byte order as well
_ZIP_MAGIC = b"PK\x03\x04"
_FLO_UNKNOWN = 1e9  # Middlebury's files mark unknown pixels by larger values

_BROKEN = (
    OSError,
    EOFError,
    ValueError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    NotImplementedError,  # a zip with an exotic compression
)


def read(path: str | os.PathLike[str]) -> Flow:
    """Read a flow file: [H, W, 2] float32, in pixels, finite.

    Raises:
        ValueError: the file is missing, unreadable, cut short, of an unknown suffix, or holds
            something else than a finite floating-point array [H, W, 2].
    """
    path = Path(path)
    form = _format(path)
    if path.is_dir():
        raise ValueError(f"{path}: is a folder; expected a flow file")
    if not path.exists():
        raise ValueError(f"{path}: no such file; expected a flow file ({_known()})")
    try:
        raw = form.read(path)
    except _FaultError as fault:
        raise ValueError(f"{path}: {fault}") from fault
    except PermissionError as error:
        raise ValueError(f"{path}: may not be read; expected a readable file") from error
    except _BROKEN as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"{path}: broken or cut short ({reason}); expected a whole {path.suffix.lower()} file"
        ) from error
    return _checked(raw, path)


def write(path: str | os.PathLike[str], flow: Float32[np.ndarray, "h w 2"]) -> None:
    """Write a flow in the format that the suffix names; the file appears whole or not at all.

    Raises:
        ValueError: unknown suffix, missing folder, or a flow that `read` would refuse.
    """
    path = Path(path)
    form = _format(path)
    checked = _checked(flow, path)
    with atomic(path) as stream:
        try:
            form.write(stream, checked)
        except _FaultError as fault:
            raise ValueError(f"{path}: {fault}") from fault


@contextlib.contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file for writing that takes its name only when the block ends without an error.

    Readers see the old file or the new one, never a half. Written next to its final place, since
    a rename is atomic only within one file system.

    Raises:
        ValueError: the folder is missing or may not be written.
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{path}: is a folder; expected the name of a file to write")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        stream = temporary.open("wb")
    except OSError as error:
        raise ValueError(
            f"{path}: cannot be written ({error.strerror}); expected a name in an existing, "
            "writable folder"
        ) from error
    try:
        with stream:
            yield stream
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


class _FaultError(Exception):
    """What is wrong with a file and what was expected, still without its name."""


class _Format(NamedTuple):
    read: Callable[[Path], Any]
    write: Callable[[BinaryIO, Flow], None]


def _read_npz(path: Path) -> Any:
    # numpy is handed an open file: opening it itself, it leaks the handle of a broken archive.
    with path.open("rb") as stream:
        _begins_with(stream, _ZIP_MAGIC, "an .npz archive")
        archive = np.load(stream, allow_pickle=False)
        if "flow" not in archive:
            keys = ", ".join(repr(key) for key in archive.files) or "none"
            raise _FaultError(f"has no key 'flow' (but {keys}); expected an array of that name")
        return archive["flow"]


def _read_npy(path: Path) -> Any:
    with path.open("rb") as stream:
        _begins_with(stream, np.lib.format.MAGIC_PREFIX, "an .npy file")
        return np.load(stream, allow_pickle=False)


def _begins_with(stream: BinaryIO, magic: bytes, name: str) -> None:
    # Without this numpy takes any other content for a pickle, and says so.
    if stream.read(len(magic)) != magic:
        raise _FaultError(f"does not begin with {magic!r}; expected {name}")
    stream.seek(0)


def _read_flo(path: Path) -> Any:
    with path.open("rb") as stream:
        _begins_with(stream, _FLO_MAGIC, "a Middlebury .flo file")
        content = stream.read()
    width, height = struct.unpack("<ii", content[4:12])
    expected = 12 + 8 * width * height
    if min(width, height) < 1 or len(content) != expected:
        raise _FaultError(
            f"has {len(content)} bytes; expected {expected} for the {width}x{height} pixels of its "
            "header"
        )
    flow = np.frombuffer(content, "<f4", offset=12).reshape(height, width, 2)
    unknown = int((np.abs(flow) > _FLO_UNKNOWN).any(-1).sum())
    if unknown:
        raise _FaultError(f"marks {unknown} pixels as unknown; expected a motion for every pixel")
    return flow


def _write_flo(stream: BinaryIO, flow: Flow) -> None:
    height, width, _ = flow.shape
    stream.write(_FLO_MAGIC + struct.pack("<ii", width, height) + flow.astype("<f4").tobytes())


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise _FaultError(
            "needs PyTorch, which is not installed; expected .npz, .npy or .flo"
        ) from error
    return torch


def _read_pth(path: Path) -> Any:
    torch = _torch()
    try:
        tensor = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, KeyError, *_BROKEN) as error:
        # PyTorch's own messages advise to load without weights_only: never pass them on.
        raise _FaultError(
            "broken, or not a plain tensor; expected one tensor [1, 2, H, W] by torch.save"
        ) from error
    if not isinstance(tensor, torch.Tensor):
        raise _FaultError(f"holds a {type(tensor).__name__}; expected one tensor [1, 2, H, W]")
    if tensor.ndim != 4 or tuple(tensor.shape[:2]) != (1, 2):
        raise _FaultError(f"holds a tensor of shape {list(tensor.shape)}; expected [1, 2, H, W]")
    if not tensor.is_floating_point():
        raise _FaultError(f"holds {tensor.dtype}; expected floating-point pixels")
    return tensor[0].permute(1, 2, 0).float().numpy()


def _write_pth(stream: BinaryIO, flow: Flow) -> None:
    torch = _torch()
    torch.save(torch.from_numpy(np.ascontiguousarray(flow.transpose(2, 0, 1)[None])), stream)


_FORMATS = {
    ".npz": _Format(_read_npz, lambda stream, flow: np.savez_compressed(stream, flow=flow)),
    ".npy": _Format(_read_npy, lambda stream, flow: np.save(stream, flow, allow_pickle=False)),
    ".flo": _Format(_read_flo, _write_flo),
    ".pth": _Format(_read_pth, _write_pth),
}


def _known() -> str:
    return ", ".join(_FORMATS)


def _format(path: Path) -> _Format:
    form = _FORMATS.get(path.suffix.lower())
    if form is None:
        raise ValueError(f"{path}: unknown suffix {path.suffix!r}; expected one of {_known()}")
    return form


def _checked(raw: Any, path: Path) -> Flow:
    """Return the flow as float32, or raise the first reason why it is none."""
    array = np.asarray(raw)
    if not np.issubdtype(array.dtype, np.floating):
        raise ValueError(
            f"{path}: holds {array.dtype}; expected floating-point pixels (float16, 32 or 64)"
        )
    if array.ndim != 3 or array.shape[2] != 2 or array.size == 0:
        raise ValueError(f"{path}: holds an array of shape {list(array.shape)}; expected [H, W, 2]")
    with np.errstate(over="ignore"):  # too large for float32: infinite, and refused below
        flow = array.astype(np.float32)
    bad = int((~np.isfinite(flow)).any(-1).sum())
    if bad:
        raise ValueError(f"{path}: {bad} pixels are NaN or infinite; expected finite numbers")
    return np.ascontiguousarray(flow)
