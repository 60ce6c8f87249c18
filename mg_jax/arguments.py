"""Convert an edit's arguments (files, open pictures, words, arrays) to NumPy arrays."""

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Float, Int, Shaped
from PIL import Image

from flows import adapting, files, motions, selections
from mg_jax import checking, mask_files, photos
from mg_jax.mask_files import Selection
from mg_jax.photos import Photo

Anything = str | os.PathLike[str] | Image.Image | np.ndarray | Array | Photo
"""A file, an open picture, an array of NumPy or JAX, or, for some arguments, words."""


class Moved(NamedTuple):
    """A motion as arrays."""

    flow: Float[np.ndarray, "h w 2"]  # pixels (dx, dy)
    order: Int[np.ndarray, "h w"] | None  # as `flows.motions.order`; None if not known
    notes: tuple[str, ...] = ()  # what was decided in reading it, one line each


def photo(given: Any) -> Photo:
    """Return a photo that is given as a file, a PIL picture, uint8 [h, w, 3], or a `Photo`.

    Raises:
        ValueError: it is none of these, or too small.
    """
    if isinstance(given, Photo):
        found = given
    elif isinstance(given, str | os.PathLike):
        found = photos.read(given)
    elif isinstance(given, Image.Image):
        found = photos.of_pillow(given, "image")
    else:
        pixels = _array("image", given, "a file, a PIL picture, or uint8 [height, width, 3]")
        checking.image(pixels)
        found = Photo(pixels)
    checking.image(found.pixels)
    return found


def selection(name: str, given: Any, photo: Photo) -> Selection:
    """Return a mask given as words (see `flows.selections`), a file, a PIL picture or bool [h, w].

    Raises:
        ValueError: it is none of these, or of another size than the photo, or words or a file
            select nothing. The message begins with `name`, or with the words or file.
    """
    shape = (photo.pixels.shape[0], photo.pixels.shape[1])
    if isinstance(given, str) and selections.is_words(given):
        return Selection(selections.select(given, photo.pixels))
    if isinstance(given, str | os.PathLike):
        found = mask_files.read(given, shape, photo.orientation)
        selections.something(found.mask, os.fspath(given))
        return found
    if isinstance(given, Image.Image):
        return mask_files.of_pillow(given, name, shape, photo.orientation)
    mask = _array(name, given, "words, a file, a PIL picture, or bool [height, width]")
    if mask.dtype != np.bool_ or mask.shape != shape:
        raise ValueError(
            f"{name}: {mask.dtype} of shape {mask.shape};"
            f" expected bool of shape {shape}, the image's"
        )
    return Selection(mask)


def flow(given: Any, mask: Any, photo: Photo) -> Moved:
    """Return a motion given as floats [h, w, 2], a file, or words (see `flows.motions`) and a mask.

    A mask beside an array or a file says what of it moves; all else rests.

    Raises:
        ValueError: it is none of these, or `checking.flow` refuses it; words come without a mask.
    """
    shape = (photo.pixels.shape[0], photo.pixels.shape[1])
    if isinstance(given, str) and Path(given).suffix.lower() not in files.SUFFIXES:
        if mask is None:
            raise ValueError("mask: none given; expected what moves, as the flow is in words")
        motion = motions.parse(given)  # before the mask, which may take seconds to compute
        moves, notes = selection("mask", mask, photo)
        objects = [(motion, selections.something(moves, "mask"))]
        moved = Moved(motions.together(objects), motions.order(objects), notes)
    elif isinstance(given, str | os.PathLike):
        within = None if mask is None else selection("mask", mask, photo)
        found = adapting.read(given, shape, within and within.mask)
        moved = Moved(found.flow, None, (within.notes if within else ()) + found.notes)
    else:
        array = _array("flow", given, "words, a file, or floats [height, width, 2]")
        checking.flow(array, shape)
        moved = Moved(array, None)
        if mask is not None:
            moves, notes = selection("mask", mask, photo)
            moved = Moved(np.where(moves[..., None], array, 0), None, notes)
    checking.flow(moved.flow, shape)
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
