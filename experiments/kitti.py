"""Cases from KITTI's photos: an object of the street, and a random motion.

What is read is the layout of the semantic instance benchmark (2015): `training/image_2/*.png` and,
under the same names, `training/instance/*.png`, 16 bits, 256 times the class plus the instance
(from 1 on; 0: none known). Classes are those of Cityscapes.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8, UInt16
from PIL import Image

from experiments import random_motions
from experiments.portable_rng import Chance
from flows import motions
from flows.files.broken import BROKEN
from mg_jax import images
from mg_jax.cases import Case
from mg_jax.compositing import steady

CLASSES = {
    24: "person",
    25: "rider",
    26: "car",
    27: "truck",
    28: "bus",
    29: "caravan",
    30: "trailer",
    31: "train",
    32: "motorcycle",
    33: "bicycle",
}
_KINDS = ("translate", "translate", "translate", "scale", "scale", "stretch", "rotate")
_SHARE = 0.01, 0.3  # of the square that an object covers
_BORDER = 4  # pixels: an object this near the border may go on behind it
_LEAVING = 0.05  # share of an object that may leave the picture
_TRIES = 300


def find(folder: Path) -> list[tuple[Path, Path]]:
    """Find the photos of a KITTI folder, each with its map of instances, sorted.

    Raises:
        ValueError: a folder, a map, or every photo is missing.
    """
    photos = sorted((folder / "training" / "image_2").glob("*.png"))
    if not photos:
        raise ValueError(
            f"{folder}: has no training/image_2/*.png; expected KITTI's semantic instance benchmark"
        )
    pairs = [(photo, folder / "training" / "instance" / photo.name) for photo in photos]
    for _, instances in pairs:
        if not instances.is_file():
            raise ValueError(f"{instances}: no such file; expected the instances of the photo")
    return pairs


def draw(pairs: list[tuple[Path, Path]], seed: int, index: int, size: int) -> Case:
    """Draw the case of a seed and index: a square of a photo, `size` pixels a side.

    Raises:
        ValueError: a broken file, or no object that is whole and of a fit size.
    """
    chance = Chance(seed, index)
    for _ in range(_TRIES):
        photo_file, instances_file = chance.pick(pairs)
        instances = _instances(instances_file)
        values = [int(value) for value in np.unique(instances) if _is_object(int(value))]
        if not values:
            continue
        value = chance.pick(values)
        square = _square(chance, instances == value)
        if square is None:
            continue
        mask = _sized(instances[square] == value, size)
        kind = chance.pick(_KINDS)
        y, x = np.nonzero(mask)
        extent = random_motions.Extent(
            [float(x.min()), float(y.min())], [float(x.max()), float(y.max())], size
        )
        motion = motions.parse(random_motions.draw(chance, kind, extent))
        flow = steady(motions.field(motion, mask))
        if motions.leaving(flow, mask) > _LEAVING:
            continue
        photo = _photo(photo_file, instances.shape)[square]
        name = CLASSES[value // 256]
        source = np.array(Image.fromarray(photo).resize((size, size), Image.Resampling.LANCZOS))
        return Case(
            f"{index:03d}-{name}-{kind}", source, flow, None, None, f"a photo of a street, a {name}"
        )
    raise ValueError(
        f"{pairs[0][1].parent}: no object found in {_TRIES} tries; expected some that are whole,"
        f" covering {_SHARE[0]:.0%} to {_SHARE[1]:.0%} of a square"
    )


def _is_object(value: int) -> bool:
    return value // 256 in CLASSES and value % 256 > 0


def _square(chance: Chance, mask: Bool[np.ndarray, "H W"]) -> tuple[slice, slice] | None:
    """Draw a square as high as the photo around an object; None where the object does not suit."""
    height, width = mask.shape
    side = min(height, width)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, bottom, left, right = (int(v) for v in (rows[0], rows[-1], columns[0], columns[-1]))
    whole = (
        min(top, left) >= _BORDER
        and bottom < height - _BORDER
        and right < width - _BORDER
        and max(right - left, bottom - top) < side - 2 * _BORDER
    )
    if not whole or not _SHARE[0] <= mask.sum() / side**2 <= _SHARE[1]:
        return None
    first = [
        round(chance.between(max(0, high + _BORDER - side), min(low - _BORDER, length - side)))
        for low, high, length in ((top, bottom, height), (left, right, width))
    ]
    return slice(first[0], first[0] + side), slice(first[1], first[1] + side)


def _sized(mask: Bool[np.ndarray, "side side"], size: int) -> Bool[np.ndarray, "{size} {size}"]:
    grey = Image.fromarray(mask.astype(np.uint8) * 255)
    return np.asarray(np.array(grey.resize((size, size), Image.Resampling.BILINEAR)) >= 128)


def _instances(path: Path) -> UInt16[np.ndarray, "H W"]:
    try:
        with Image.open(path) as file:
            values = np.array(file)
    except BROKEN as error:
        raise ValueError(f"{path}: broken, or no picture; expected a 16-bit grey PNG") from error
    if values.ndim != 2 or values.dtype.kind not in "ui" or values.dtype.itemsize < 2:
        raise ValueError(f"{path}: is {values.dtype} {values.shape}; expected a 16-bit grey PNG")
    if values.min() < 0 or values.max() > np.iinfo(np.uint16).max:
        raise ValueError(f"{path}: holds values beyond 16 bits; expected a 16-bit grey PNG")
    return values.astype(np.uint16)


def _photo(path: Path, shape: tuple[int, ...]) -> UInt8[np.ndarray, "H W 3"]:
    photo = images.read(path)
    if photo.shape[:2] != shape:
        raise ValueError(
            f"{path}: {photo.shape[1]}x{photo.shape[0]} pixels;"
            f" expected {shape[1]}x{shape[0]}, the size of its instances"
        )
    return photo
