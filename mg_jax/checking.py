"""Check the arguments of an edit; each error is one line.

It begins with the argument's name: ARGUMENT: what is wrong; expected what.
"""

import numpy as np

from flows import masks
from flows.parsing import LIMIT

_SMALLEST_SIDE = 16


def image(array: np.ndarray) -> None:
    """Check a photo: uint8 [h, w, 3], of 16 pixels or more a side.

    Raises:
        ValueError: it is not.
    """
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
        raise ValueError(
            f"image: {array.dtype} of shape {array.shape}; expected uint8 [height, width, 3]"
        )
    if min(array.shape[:2]) < _SMALLEST_SIDE:
        raise ValueError(
            f"image: {array.shape[1]}x{array.shape[0]} pixels;"
            f" expected at least {_SMALLEST_SIDE} a side"
        )


def flow(array: np.ndarray, shape: tuple[int, ...]) -> None:
    """Check a flow for a picture of `shape` (h, w): finite floats [h, w, 2], pixels (dx, dy).

    Raises:
        ValueError: it is not, or nothing moves, or everything that moves leaves the picture, or
            something moves by more than a million pixels along an axis.
    """
    if not np.issubdtype(array.dtype, np.floating):
        raise ValueError(f"flow: {array.dtype}; expected floating-point pixels")
    if array.shape != (*shape, 2):
        raise ValueError(
            f"flow: shape {array.shape}; expected {(*shape, 2)}, the image's height and width"
        )
    if not np.isfinite(array).all():
        raise ValueError("flow: holds NaN or Inf; expected finite pixels")
    if np.abs(array).max() > LIMIT:
        raise ValueError(
            f"flow: goes {np.abs(array).max():.3g} pixels far; expected at most {LIMIT:,.0f}"
        )
    y, x = np.nonzero(masks.moving(array))
    if not y.size:
        raise ValueError("flow: zero everywhere; expected pixels that move")
    goal = np.stack([x, y], axis=-1) + array[y, x]
    if not ((goal >= 0) & (goal <= np.array([shape[1] - 1, shape[0] - 1]))).all(axis=-1).any():
        raise ValueError("flow: moves everything out of the picture; expected some of it inside")


def keep_mask(array: np.ndarray, shape: tuple[int, ...]) -> None:
    """Check a mask for a picture of `shape` (h, w): booleans, some True, some False.

    Raises:
        ValueError: it is not.
    """
    if array.dtype != np.bool_ or array.shape != shape:
        raise ValueError(
            f"keep_mask: {array.dtype} of shape {array.shape};"
            f" expected bool of shape {shape}, the image's"
        )
    if array.all() or not array.any():
        covered = "everything" if array.all() else "nothing"
        raise ValueError(f"keep_mask: covers {covered}; expected a part of the picture")


def order(array: np.ndarray, shape: tuple[int, ...]) -> None:
    """Check the order of layers for a picture of `shape` (h, w): integers, 0 and above.

    Raises:
        ValueError: it is not.
    """
    if not np.issubdtype(array.dtype, np.integer) or array.shape != shape:
        raise ValueError(
            f"order: {array.dtype} of shape {array.shape};"
            f" expected whole numbers of shape {shape}, the image's"
        )
    if array.min() < 0:
        raise ValueError(f"order: holds {array.min()}; expected 0, what rests, and above")


def ramp(array: np.ndarray, levels: int) -> None:
    """Check the factors of the guidance weight: one finite float >= 0 for each level.

    Raises:
        ValueError: they are not.
    """
    if not np.issubdtype(array.dtype, np.floating) or array.shape != (levels,):
        raise ValueError(
            f"ramp: {array.dtype} of shape {array.shape};"
            f" expected floats of shape {(levels,)}, one a level"
        )
    if not np.isfinite(array).all():
        raise ValueError("ramp: holds NaN or Inf; expected finite values")
    if (array < 0).any():
        raise ValueError(f"ramp: holds {array.min():g}; expected values >= 0")
