"""A test case: a photo, the motion asked for, and what is known of the result.

On disk a case is a folder: `source.png`, `flow.npz` (key `flow`) and, where known, `reference.png`
(another program's result), `answer.png` (the true edited picture), `prompt.txt` (UTF-8). Where the
object of each pixel is known, `flow.npz` has it, too (key `order`), and `mask_1.png`, … show it,
one for each object, the later on top. Every error is a `ValueError` of one line: FILE: what is
wrong; expected what.
"""

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int32, UInt8

from flows import files
from flows.motion import Motion
from mg_jax import images

SOURCE = "source.png"
FLOW = "flow.npz"
REFERENCE = "reference.png"
ANSWER = "answer.png"
PROMPT = "prompt.txt"
MASK = "mask_{}.png"


@dataclass(frozen=True, eq=False)
class Case:
    """A photo and a motion; all pictures, flow and order have one size."""

    name: str
    source: UInt8[np.ndarray, "h w 3"]
    flow: Float32[np.ndarray, "h w 2"]
    # Of the same size: `read` and `write` check it.
    reference: UInt8[np.ndarray, "_ _ 3"] | None  # another program's result
    answer: UInt8[np.ndarray, "_ _ 3"] | None  # the true edited picture
    prompt: str  # "" where there is none
    order: Int32[np.ndarray, "h w"] | None = None  # as `flows.motions.order`, where it is known

    @functools.cached_property
    def motion(self) -> Motion:
        """The flow with its derived masks."""
        return Motion(self.flow)


def read(folder: Path) -> Case:
    """Read a case; its name is the folder's.

    Raises:
        ValueError: a file is missing, broken, or of another size than the source.
    """
    source = images.read(folder / SOURCE)
    flow = files.read(folder / FLOW)
    _check_size(folder / FLOW, flow, source)
    return Case(
        folder.absolute().name,  # of a symbolic link its own name, not its target's
        source,
        flow,
        _picture(folder / REFERENCE, source),
        _picture(folder / ANSWER, source),
        _prompt(folder / PROMPT),
        _order(folder / FLOW, source),
    )


def write(folder: Path, case: Case) -> None:
    """Write a case as a new folder, whole or not at all; the folder names it, not `case.name`.

    Raises:
        ValueError: the folder exists already, or cannot be made; a picture or the flow has
            another size than the source.
    """
    if folder.exists():
        raise ValueError(f"{folder}: exists already; expected the name of a new folder")
    pictures = {SOURCE: case.source, REFERENCE: case.reference, ANSWER: case.answer}
    try:
        with files.atomic_folder(folder) as whole:
            for name, picture in pictures.items():
                if picture is not None:
                    _check_size(folder / name, picture, case.source)
                    images.write(whole / name, picture)
            _check_size(folder / FLOW, case.flow, case.source)
            if case.order is None:
                files.write(whole / FLOW, case.flow)
            else:
                _check_size(folder / FLOW, case.order, case.source)
                _write_layered(whole, case.flow, case.order)
            if case.prompt:
                (whole / PROMPT).write_text(case.prompt + "\n", encoding="utf-8")
    except OSError as error:
        raise ValueError(
            f"{folder}: cannot be written ({error.strerror}); expected a name in a writable folder"
        ) from error


def find(root: Path) -> list[Path]:
    """Find the case folders in a folder: those that hold a `source.png`, sorted by name.

    Raises:
        ValueError: there is no such folder, or no case in it.
    """
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder; expected a folder of cases")
    cases = sorted(path.parent for path in root.glob(f"*/{SOURCE}") if path.parent.name[0] != ".")
    if not cases:
        raise ValueError(f"{root}: has no case; expected folders with {SOURCE} and {FLOW}")
    return cases


def _picture(path: Path, source: np.ndarray) -> UInt8[np.ndarray, "h w 3"] | None:
    if not path.exists():
        return None
    picture = images.read(path)
    _check_size(path, picture, source)
    return picture


def _order(path: Path, source: np.ndarray) -> Int32[np.ndarray, "h w"] | None:
    with np.load(path, allow_pickle=False) as archive:  # not broken: its flow has been read
        if "order" not in archive:
            return None
        order = archive["order"]
    if order.ndim != 2 or order.dtype.kind not in "iu":
        raise ValueError(
            f"{path}: order is {order.dtype} {order.shape}; expected whole numbers [height, width]"
        )
    _check_size(path, order, source)
    return np.asarray(order, np.int32)


def _write_layered(
    folder: Path, flow: Float32[np.ndarray, "h w 2"], order: Int32[np.ndarray, "h w"]
) -> None:
    """Write flow and order, and one mask for each object, to view or for `--object_mask`."""
    np.savez_compressed(folder / FLOW, flow=flow, order=order)
    for layer in range(1, int(order.max()) + 1):
        white = np.where((order == layer)[..., None], np.uint8(255), np.uint8(0))
        images.write(folder / MASK.format(layer), np.repeat(white, 3, axis=-1))


def _prompt(path: Path) -> str:
    if not path.exists():
        return ""
    try:
        return " ".join(path.read_text(encoding="utf-8").split())
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read as text; expected a prompt in UTF-8") from error


def _check_size(path: Path, picture: np.ndarray, source: np.ndarray) -> None:
    if picture.shape[:2] != source.shape[:2]:
        raise ValueError(
            f"{path}: {picture.shape[1]}x{picture.shape[0]} pixels;"
            f" expected {source.shape[1]}x{source.shape[0]}, the size of {SOURCE}"
        )
