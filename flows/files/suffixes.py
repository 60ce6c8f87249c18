"""Read and write flow files in the format that their suffix names, with every check."""

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32

from flows.files import arrays, kitti, middlebury, pfm, pytorch
from flows.files.broken import BROKEN
from flows.files.format import FaultError, Flow, Format
from flows.files.replacing import atomic

_FORMATS: dict[str, Format] = {
    ".npz": arrays.NPZ,
    ".npy": arrays.NPY,
    ".flo": middlebury.FLO,
    ".png": kitti.PNG,
    ".pth": pytorch.PTH,
    ".pfm": pfm.PFM,
}
SUFFIXES = tuple(_FORMATS)


class Sparse(NamedTuple):
    """A flow that is known at some pixels only.

    Attributes:
        flow: pixels; 0 where it is unknown.
        known: True where it is known.
    """

    flow: Float32[np.ndarray, "h w 2"]
    known: Bool[np.ndarray, "h w"]


def read(path: str | os.PathLike[str]) -> Float32[np.ndarray, "h w 2"]:
    """Read a flow file: [H, W, 2] float32, in pixels, finite.

    Raises:
        ValueError: the file is missing, unreadable, cut short, of an unknown suffix, marks pixels
            as unknown, or holds something else than a finite floating-point array [H, W, 2].
    """
    flow, known = read_sparse(path)
    unknown = int((~known).sum())
    if unknown:
        raise ValueError(
            f"{path}: marks {unknown} pixels as unknown; expected a motion for every pixel"
        )
    return flow


def read_sparse(path: str | os.PathLike[str]) -> Sparse:
    """Read a flow file that may mark pixels as unknown, as `.flo`, `.png` and `.pfm` do.

    Raises:
        ValueError: as for `read`, but not for unknown pixels.
    """
    path = Path(path)
    raw, known = _raw(path)
    flow = _checked(raw if known is None else np.where(known[..., None], raw, np.float32(0)), path)
    return Sparse(flow, _all(flow) if known is None else known)


def read_holes(path: str | os.PathLike[str]) -> tuple[Sparse, tuple[int, ...]]:
    """Read a flow file of any format that may have holes: NaN and infinite values are unknown.

    Returns:
        The flow, and the shape of the array in the file, whose axes may have another order.

    Raises:
        ValueError: as for `read`, but not for unknown pixels.
    """
    path = Path(path)
    raw, known = _raw(path)
    array = _floats(_ordered(raw), path)
    finite = np.isfinite(array).all(axis=-1)
    known = finite if known is None else finite & known
    flow = _checked(np.where(known[..., None], array, 0), path)
    return Sparse(flow, known), np.shape(raw)


def _raw(path: Path) -> tuple[Any, Bool[np.ndarray, "h w"] | None]:
    """The array in a file, unchecked, and the mask of known pixels, None if there is none."""
    form = _format(path)
    if path.is_dir():
        raise ValueError(f"{path}: is a folder; expected a flow file")
    if not path.exists():
        raise ValueError(f"{path}: no such file; expected a flow file ({_suffixes()})")
    try:
        return form.read(path)
    except FaultError as fault:
        raise ValueError(f"{path}: {fault}") from fault
    except PermissionError as error:
        raise ValueError(f"{path}: may not be read; expected a readable file") from error
    except BROKEN as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"{path}: broken or cut short ({reason}); expected a whole {path.suffix.lower()} file"
        ) from error


def _all(flow: Flow) -> Bool[np.ndarray, "h w"]:
    return np.ones(flow.shape[:2], bool)


def write(
    path: str | os.PathLike[str],
    flow: Float32[np.ndarray, "h w 2"],
    known: Bool[np.ndarray, "h w"] | None = None,
) -> None:
    """Write a flow in the format that the suffix names; the file appears whole or not at all.

    Args:
        path: the file.
        flow: pixels; KITTI's `.png` rounds them to 64ths, the other formats keep every bit.
        known: where the flow is known (None: everywhere), for formats that can say so.

    Raises:
        ValueError: unknown suffix, missing folder, a flow that `read_sparse` would refuse, motions
            too long for the format, or unknown pixels that it cannot mark.
    """
    path = Path(path)
    form = _format(path)
    if known is None:
        known = np.ones(np.shape(flow)[:2], bool)
    elif not (form.marks_unknown or known.all()):
        able = " or ".join(suffix for suffix, kind in _FORMATS.items() if kind.marks_unknown)
        raise ValueError(f"{path}: cannot mark pixels as unknown; expected the suffix {able}")
    else:
        flow = np.where(known[..., None], flow, np.float32(0))
    checked = _checked(flow, path)
    with atomic(path) as stream:
        try:
            form.write(stream, checked, known)
        except FaultError as fault:
            raise ValueError(f"{path}: {fault}") from fault


def check_suffix(path: str | os.PathLike[str]) -> None:
    """Check that the suffix can be written, before there is anything to write.

    Raises:
        ValueError: no format has this suffix, or the format needs a package that is missing.
    """
    try:
        _format(Path(path)).able()
    except FaultError as fault:
        raise ValueError(f"{path}: {fault}") from fault


def _suffixes() -> str:
    return ", ".join(_FORMATS)


def _format(path: Path) -> Format:
    form = _FORMATS.get(path.suffix.lower())
    if form is None:
        raise ValueError(f"{path}: unknown suffix {path.suffix!r}; expected one of {_suffixes()}")
    return form


def _ordered(raw: Any) -> Any:
    """Bring the axes [2, H, W], and those of a batch of one, to [H, W, 2]; others stay."""
    array = np.asarray(raw)
    if array.ndim == 4 and len(array) == 1:
        array = array[0]
    if array.ndim == 3 and array.shape[0] == 2 and array.shape[2] != 2:
        array = np.moveaxis(array, 0, -1)
    return array


def _floats(raw: Any, path: Path) -> Float[np.ndarray, "h w 2"]:
    """Return an array of floats [H, W, 2], or raise ValueError with the reason why it is none."""
    array = np.asarray(raw)
    if not np.issubdtype(array.dtype, np.floating):
        raise ValueError(
            f"{path}: holds {array.dtype}; expected floating-point pixels (float16, 32 or 64)"
        )
    if array.ndim != 3 or array.shape[2] != 2 or array.size == 0:
        raise ValueError(f"{path}: holds an array of shape {list(array.shape)}; expected [H, W, 2]")
    return array


def _checked(raw: Any, path: Path) -> Flow:
    """Return the flow as float32, or raise ValueError with the first reason why it is not one."""
    with np.errstate(over="ignore"):  # too large for float32: infinite, and refused below
        flow = _floats(raw, path).astype(np.float32)
    bad = int((~np.isfinite(flow)).any(-1).sum())
    if bad:
        raise ValueError(f"{path}: {bad} pixels are NaN or infinite; expected finite numbers")
    return np.ascontiguousarray(flow)
