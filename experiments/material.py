"""What generated cases are made of: photos, and objects cut out of others."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from experiments.portable_rng import Chance
from mg_jax import images
from mg_jax.compositing import read_cutout

_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


class Material(NamedTuple):
    """What scenes are made of, sorted by name.

    Attributes:
        photos: what lies behind.
        cutouts: objects with their names; the fourth channel is opacity.
    """

    photos: list[UInt8[np.ndarray, "_ _ 3"]]
    cutouts: list[tuple[str, UInt8[np.ndarray, "_ _ 4"]]]


def read(photos: Path, cutouts: Path) -> Material:
    """Read all photos of a folder, and all cut-outs of another.

    Raises:
        ValueError: no such folder, none in it, a broken one, or a cut-out that is none.
    """
    return Material(
        [images.read(path) for path in _files(photos)],
        [(path.stem, _trimmed(read_cutout(path))) for path in _files(cutouts)],
    )


def crop(
    chance: Chance, photo: UInt8[np.ndarray, "H W 3"], size: int
) -> UInt8[np.ndarray, "{size} {size} 3"]:
    """Cut a square of most of a photo's height, perhaps mirrored."""
    height, width, _ = photo.shape
    side = int(min(height, width) * chance.between(0.8, 1))
    top = int(chance.between(0, 1) * (height - side))
    left = int(chance.between(0, 1) * (width - side))
    square = photo[top : top + side, left : left + side]
    if chance.happens(0.5):
        square = square[:, ::-1]
    sized = Image.fromarray(square).resize((size, size), Image.Resampling.LANCZOS)
    return np.array(sized)


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder; expected one with pictures")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
    if not paths:
        raise ValueError(f"{folder}: has no picture; expected .png, .jpg or .webp files")
    return paths


def _trimmed(cutout: UInt8[np.ndarray, "_ _ 4"]) -> UInt8[np.ndarray, "_ _ 4"]:
    """Take away what is wholly transparent round an object: it has no part in its size."""
    rows, columns = np.nonzero(cutout[..., 3])
    return cutout[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
