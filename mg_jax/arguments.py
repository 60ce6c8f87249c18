"""Convert an edit's arguments (files, open pictures, words, arrays) to NumPy arrays."""

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Bool, Float, Int, Shaped, UInt8
from PIL import Image

from flows import files, motions, selections
from mg_jax import checking, images

Anything = str | os.PathLike[str] | Image.Image | np.ndarray | Array
"""A file, an open picture, an array of NumPy or JAX, or, for some arguments, words."""


class Moved(NamedTuple):
    """A motion as arrays."""

    flow: Float[np.ndarray, "h w 2"]  # pixels (dx, dy)
    order: Int[np.ndarray, "h w"] | None  # as `flows.motions.order`; None if not known


def image(given: Any) -> UInt8[np.ndarray, "h w 3"]:
    """Return a photo that is given as a file, a PIL picture, or uint8 [h, w, 3].

    Raises:
        ValueError: it is none of these, or too small.
    """
    if isinstance(given, str | os.PathLike):
        pixels = images.read(given)
    elif isinstance(given, Image.Image):
        pixels = images.of_pillow(given, "image")
    else:
        pixels = _array("image", given, "a file, a PIL picture, or uint8 [height, width, 3]")
    checking.image(pixels)
    return pixels


def selection(name: str, given: Any, photo: UInt8[np.ndarray, "h w 3"]) -> Bool[np.ndarray, "h w"]:
    """Return a mask given as words (see `flows.selections`), a file, a PIL picture or bool [h, w].

    Raises:
        ValueError: it is none of these, or of another size than the photo, or words or a file
            select nothing. The message begins with `name`, or with the words or file.
    """
    shape = (photo.shape[0], photo.shape[1])
    if isinstance(given, str) and selections.is_words(given):
        return selections.select(given, photo)
    if isinstance(given, str | os.PathLike):
        return selections.something(images.read_mask(given, shape), os.fspath(given))
    if isinstance(given, Image.Image):
        mask = images.mask_of_pillow(given, name)
    else:
        mask = _array(name, given, "words, a file, a PIL picture, or bool [height, width]")
    if mask.dtype != np.bool_ or mask.shape != shape:
        raise ValueError(
            f"{name}: {mask.dtype} of shape {mask.shape};"
            f" expected bool of shape {shape}, the image's"
        )
    return mask


def flow(given: Any, mask: Any, photo: UInt8[np.ndarray, "h w 3"]) -> Moved:
    """Return a motion given as floats [h, w, 2], a file, or words (see `flows.motions`) and a mask.

    Raises:
        ValueError: it is none of these, or `checking.flow` refuses it; words come without a mask,
            or something else comes with one.
    """
    if isinstance(given, str) and Path(given).suffix.lower() not in files.SUFFIXES:
        if mask is None:
            raise ValueError("mask: none given; expected what moves, as the flow is in words")
        motion = motions.parse(given)  # before the mask, which may take seconds to compute
        objects = [(motion, selections.something(selection("mask", mask, photo), "mask"))]
        moved = Moved(motions.together(objects), motions.order(objects))
    elif mask is not None:
        raise ValueError("mask: goes with a motion in words; expected none")
    elif isinstance(given, str | os.PathLike):
        moved = Moved(files.read(given), None)
    else:
        moved = Moved(_array("flow", given, "words, a file, or floats [height, width, 2]"), None)
    checking.flow(moved.flow, photo.shape[:2])
    return moved


def numbers(name: str, given: Any) -> Shaped[np.ndarray, "..."] | None:
    """Convert an array of NumPy or JAX to NumPy; None stays None.

    Raises:
        ValueError: it is no array, or one that is being traced.
    """
    return None if given is None else _array(name, given, "an array")


def _array(name: str, given: Any, expected: str) -> np.ndarray:
    if not isinstance(given, np.ndarray | Array):
        raise ValueError(f"{name}: {type(given).__name__}; expected {expected}")
    try:
        return np.asarray(given)
    except TypeError as error:  # a jax.errors.TracerArrayConversionError
        raise ValueError(f"{name}: is traced by jax; expected it outside jax.jit") from error
