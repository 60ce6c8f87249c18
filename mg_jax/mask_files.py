"""Masks as people have them: white on black, opaque on transparent, labels, booleans.

What a picture selects is read from what it holds: the threshold is half of white; where some pixels
are transparent, opacity counts, too; of labels (0 and 1, a palette, class colours) the only one
that is not background is taken. `NAME#15` picks a palette's index or a grey value, `NAME#800000` a
colour. What was decided is said in one line; where the meaning is not sure, the mask is refused.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int, Shaped, UInt8
from PIL import Image

from flows import fitting, parsing, selections
from flows.files.broken import BROKEN
from mg_jax.picture_files import Opened, opened, turned, upright

_CHROMATIC = 32  # least difference of two channels of a colour that is no grey
_FEW = 1e-3  # share of such pixels, up to which a picture is grey
_CUT_OUT = 0.05  # least share of coloured, and of transparent pixels, of an object cut out
_VARIES = 32  # least range of the grey levels of a picture that is not of one colour
_LABELS = 256  # most colours of a picture of labels
_NAMED = 6  # most labels named in an error
_WHITE = 250
_VOID = 0xE0E0C0  # PASCAL VOC's colour of borders, which belong to no class
_VOID_INDEX = 255
_ARRAYS = (".npy", ".npz")
_MASK = "expected a mask, boolean [H, W]"


class Selection(NamedTuple):
    """A mask, and what was decided in reading it, one line each."""

    mask: Bool[np.ndarray, "h w"]
    notes: tuple[str, ...] = ()


class _Read(NamedTuple):
    """A selection before its size is looked at."""

    mask: Bool[np.ndarray, "h w"]
    decision: str = ""


def read(
    path: str | os.PathLike[str], shape: tuple[int, int] | None = None, orientation: int = 1
) -> Selection:
    """Read a mask: a picture, `NAME#LABEL`, or `.npy`, `.npz` with one array [H, W].

    Args:
        path: the file.
        shape: the (height, width) that the mask is for, if any; one of the same proportions is
            resized, one of the frame as it is stored turned.
        orientation: by the EXIF of the photo that the mask is for.

    Raises:
        ValueError: as for `photos.read`; another shape, or the meaning is not sure.
    """
    name = os.fspath(path)
    stem, label = selections.labelled(name)
    file = Path(stem)
    if file.suffix.lower() in _ARRAYS:
        found = _of_array(file)
    else:
        found = _of_picture(opened(file), name, label)
    return _fitted(found, name, shape, orientation)


def of_pillow(
    image: Image.Image, name: str, shape: tuple[int, int] | None = None, orientation: int = 1
) -> Selection:
    """Convert an open Pillow picture to a mask, as `read` does for a file.

    Raises:
        ValueError: as for `read`; the message begins with `name`.
    """
    return _fitted(_of_picture(upright(image), name, ""), name, shape, orientation)


def _of_picture(found: Opened, name: str, label: str) -> _Read:
    image = found.image
    if image.mode == "F" or image.mode.startswith("I"):
        return _of_values(np.asarray(image), name, label)
    if label:
        return _picked(image, name, label)
    opacity = np.full(image.size[::-1], 255, np.uint8)
    if image.has_transparency_data:
        opacity = np.array(image.convert("RGBA").getchannel("A"))
    colors = np.array(image.convert("RGBA").convert("RGB"))
    level = np.array(Image.fromarray(colors).convert("L"))
    seen = opacity >= 128
    if not seen.any():
        raise ValueError(f"{name}: selects nothing, is transparent; expected white or opaque parts")
    chromatic = (np.ptp(colors, axis=-1) >= _CHROMATIC) & seen
    if opacity.min() < 255:
        cut_out = min(chromatic.sum() / seen.sum(), 1 - seen.mean()) >= _CUT_OUT
        if cut_out or np.ptp(level[seen]) < _VARIES:
            return _Read(seen, "what is opaque is taken")
        level = np.rint(level * (opacity / 255)).astype(np.uint8)
        colors = np.where(seen[..., None], colors, np.uint8(0))
    if chromatic.mean() > _FEW:
        return _of_colors(colors, level, image, name)
    if image.mode in ("P", "PA") and level.max() < 128:  # a palette that shows nothing
        index = _index(image)
        void = (index == _VOID_INDEX) & (np.unique(index).size > 2)
        return _of_values(np.where(void, np.uint8(0), index), name, "")
    grey = _of_values(level, name, "")
    return grey if opacity.min() == 255 else grey._replace(decision="white times opacity is taken")


def _of_values(values: Shaped[np.ndarray, "h w"], name: str, label: str) -> _Read:
    """A mask of grey levels: whole numbers, up to 255 or 65535, or floats up to 1."""
    full = 1.0 if values.dtype.kind == "f" else 255 if values.dtype == np.uint8 else 65535
    if not (values.min() >= 0 and values.max() <= full):  # NaN, too
        raise ValueError(
            f"{name}: holds values from {values.min():g} to {values.max():g};"
            f" expected 0 to {full:g}, white is selected"
        )
    if label:
        return _labelled(values == float(label), name, label, np.unique(values).tolist())
    brightest = values.max()
    if brightest >= full / 2:
        return _Read(values >= full / 2)
    if not brightest:
        raise ValueError(f"{name}: selects nothing, is black; expected white where it selects")
    known = np.unique(values)
    if len(known) == 2 and known[0] == 0:
        return _Read(values == brightest, f"its value {brightest:g} is taken for white")
    raise ValueError(
        f"{name}: selects nothing, its brightest value is {brightest:g} of {full:g}; expected"
        f" white, or one of its values {_listed(known.tolist())} after the name, as"
        f" {name}#{brightest:g}"
    )


def _of_colors(
    colors: UInt8[np.ndarray, "h w 3"],
    level: UInt8[np.ndarray, "h w"],
    image: Image.Image,
    name: str,
) -> _Read:
    """A mask with colours: the one that is not background, or by brightness if there are many."""
    packed = _packed(colors)
    known = np.unique(packed).tolist()
    white = int(colors.min(axis=-1).max()) >= _WHITE
    if len(known) > _LABELS or white:
        selected = level >= 128
        if not selected.any():
            raise ValueError(
                f"{name}: selects nothing, its brightest value is {level.max()} of 255;"
                " expected white where it selects"
            )
        return _Read(selected, "is coloured; what is brighter than half is taken")
    indexed = image.mode in ("P", "PA")
    if indexed:
        index = _index(image)
        labels = [one for one in np.unique(index).tolist() if one not in (0, _VOID_INDEX)]
        grounds = 0 in index
        selected, texts = index == max(labels, default=0), [str(one) for one in labels]
    else:
        labels = [one for one in known if one not in (0, _VOID)]
        grounds = 0 in known
        selected, texts = packed == max(labels, default=0), [f"{one:06x}" for one in labels]
    if grounds and len(labels) == 1:
        return _Read(selected, f"its only label, {texts[0]}, is taken")
    raise ValueError(
        f"{name}: holds {len(labels)} labels ({_listed(texts)}), and not white on black; expected"
        f" one of them after the name, as {name}#{texts[0] if texts else 1}"
    )


def _picked(image: Image.Image, name: str, label: str) -> _Read:
    """The pixels of one label: a palette's index, a grey value or a colour."""
    colors = np.array(image.convert("RGBA").convert("RGB"))
    if len(label) == 6:
        packed = _packed(colors)
        known = [f"{one:06x}" for one in np.unique(packed).tolist()]
        return _labelled(packed == int(label, 16), name, label, known)
    if image.mode in ("P", "PA"):
        values = _index(image)
    elif image.mode in ("1", "L", "LA"):
        values = np.array(image.convert("L"))
    else:
        raise ValueError(f"{name}: has no palette; expected a colour after the name, as #800000")
    return _labelled(values == int(label), name, label, np.unique(values).tolist())


def _labelled(
    selected: Bool[np.ndarray, "h w"], name: str, label: str, known: Sequence[object]
) -> _Read:
    if not selected.any():
        raise ValueError(f"{name}: has no {label}; expected one of {_listed(known)}")
    return _Read(selected, f"its label {label} is taken")


def _of_array(path: Path) -> _Read:
    """A mask of a NumPy file: booleans, or two values of which one is 0."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file; {_MASK}")
    try:
        with path.open("rb") as stream:
            loaded = np.load(stream, allow_pickle=False)
            arrays = [loaded] if isinstance(loaded, np.ndarray) else list(loaded.values())
    except PermissionError as error:
        raise ValueError(f"{path}: may not be read; expected a readable mask") from error
    except BROKEN as error:
        raise ValueError(f"{path}: broken or cut short; {_MASK}") from error
    if len(arrays) != 1:
        raise ValueError(f"{path}: holds {len(arrays)} arrays; expected one mask, boolean [H, W]")
    (array,) = arrays
    mask = array
    if mask.ndim == 3 and 1 in (mask.shape[0], mask.shape[2]):
        mask = mask[0] if mask.shape[0] == 1 else mask[..., 0]
    if mask.ndim == 2 and mask.size and mask.dtype == np.bool_:
        return _Read(mask)
    if mask.ndim == 2 and mask.size and mask.dtype.kind in "iuf":
        known = np.unique(mask)
        if len(known) == 2 and known[0] == 0:
            return _Read(mask != 0, f"its value {known[1]:g} is taken for true")
    raise ValueError(f"{path}: holds {array.dtype} of shape {list(array.shape)}; {_MASK}")


def _fitted(found: _Read, name: str, shape: tuple[int, int] | None, orientation: int) -> Selection:
    """Bring a mask to the photo's frame."""
    mask, notes = found.mask, []
    if shape is not None and orientation > 1:
        stored = shape if orientation < 5 else shape[::-1]
        if fitting.agrees(mask.shape, shape) and fitting.agrees(mask.shape, stored):
            notes.append(f"{name}: is taken for the photo as it is seen, turned as its EXIF says")
    if shape is not None and mask.shape != tuple(shape):
        size = f"is {mask.shape[1]}x{mask.shape[0]} pixels"
        if (
            orientation > 4
            and not fitting.agrees(mask.shape, shape)
            and fitting.agrees(mask.shape[::-1], shape)
        ):
            mask = turned(mask, orientation)
            notes.append(
                f"{name}: {size}, the frame as it is stored; turned as the photo's EXIF says"
            )
        if not fitting.agrees(mask.shape, shape):
            raise ValueError(
                f"{name}: {size}; expected {shape[1]}x{shape[0]}, the picture's size, or the same"
                " proportions"
            )
        if mask.shape != tuple(shape):
            grey = Image.fromarray(255 * mask.astype(np.uint8))
            mask = np.asarray(grey.resize(shape[::-1], Image.Resampling.BILINEAR)) >= 128
            notes.append(f"{name}: {size}; resized to the photo's {shape[1]}x{shape[0]}")
    if found.decision:
        share = parsing.percent(float(mask.mean()), 0)
        notes.insert(0, f"{name}: {found.decision}; selects {share} of the picture")
    return Selection(mask, tuple(notes))


def _index(image: Image.Image) -> UInt8[np.ndarray, "h w"]:
    """The palette's index of each pixel."""
    return np.array(image.getchannel("P") if image.mode == "PA" else image)


def _packed(colors: UInt8[np.ndarray, "h w 3"]) -> Int[np.ndarray, "h w"]:
    """Colours as numbers 0xRRGGBB."""
    red, green, blue = np.moveaxis(colors.astype(np.int32), -1, 0)
    return np.asarray((red << 16) | (green << 8) | blue)


def _listed(known: Sequence[object]) -> str:
    shown = ", ".join(str(one) for one in known[:_NAMED])
    return shown + (", …" if len(known) > _NAMED else "")
