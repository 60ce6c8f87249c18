"""Check the arguments of an edit; each error is one line.

It begins with the argument's name: ARGUMENT: what is wrong; expected what.
"""

import numpy as np

from flows import masks
from flows.parsing import LIMIT

_SMALLEST_SIDE = 16


def image(given: np.ndarray) -> None:
    """Check a photo: uint8 [h, w, 3], of 16 pixels or more a side.

    Raises:
        ValueError: it is not.
    """
    if given.dtype != np.uint8 or given.ndim != 3 or given.shape[2] != 3:
        raise ValueError(
            f"image: {given.dtype} of shape {given.shape}; expected uint8 [height, width, 3]"
        )
    if min(given.shape[:2]) < _SMALLEST_SIDE:
        raise ValueError(
            f"image: {given.shape[1]}x{given.shape[0]} pixels;"
            f" expected at least {_SMALLEST_SIDE} a side"
        )


def flow(given: np.ndarray, shape: tuple[int, ...]) -> None:
    """Check a flow for a picture of `shape` (h, w): finite floats [h, w, 2], pixels (dx, dy).

    Raises:
        ValueError: it is not, or nothing moves, or everything that moves leaves the picture, or
            something moves by more than a million pixels along an axis.
    """
    if not np.issubdtype(given.dtype, np.floating):
        raise ValueError(f"flow: {given.dtype}; expected floating-point pixels")
    if given.shape != (*shape, 2):
        raise ValueError(
            f"flow: shape {given.shape}; expected {(*shape, 2)}, the image's height and width"
        )
    if not np.isfinite(given).all():
        raise ValueError("flow: holds NaN or Inf; expected finite pixels")
    if np.abs(given).max() > LIMIT:
        raise ValueError(
            f"flow: goes {np.abs(given).max():.3g} pixels far; expected at most {LIMIT:,.0f}"
        )
    y, x = np.nonzero(masks.moving(given))
    if not y.size:
        raise ValueError("flow: zero everywhere; expected pixels that move")
    goal = np.stack([x, y], axis=-1) + given[y, x]
    if not ((goal >= 0) & (goal <= np.array([shape[1] - 1, shape[0] - 1]))).all(axis=-1).any():
        raise ValueError("flow: moves everything out of the picture; expected some of it inside")


def keep_mask(given: np.ndarray, shape: tuple[int, ...]) -> None:
    """Check a mask for a picture of `shape` (h, w): booleans, some True, some False.

    Raises:
        ValueError: it is not.
    """
    if given.dtype != np.bool_ or given.shape != shape:
        raise ValueError(
            f"keep_mask: {given.dtype} of shape {given.shape};"
            f" expected bool of shape {shape}, the image's"
        )
    if given.all() or not given.any():
        covered = "everything" if given.all() else "nothing"
        raise ValueError(f"keep_mask: covers {covered}; expected a part of the picture")


def order(given: np.ndarray, shape: tuple[int, ...]) -> None:
    """Check the order of layers for a picture of `shape` (h, w): integers, 0 and above.

    Raises:
        ValueError: it is not.
    """
    if not np.issubdtype(given.dtype, np.integer) or given.shape != shape:
        raise ValueError(
            f"order: {given.dtype} of shape {given.shape};"
            f" expected whole numbers of shape {shape}, the image's"
        )
    if given.min() < 0:
        raise ValueError(f"order: holds {given.min()}; expected 0, what rests, and above")


def ramp(given: np.ndarray, levels: int) -> None:
    """Check the factors of the guidance weight: one finite float >= 0 for each level.

    Raises:
        ValueError: they are not.
    """
    if not np.issubdtype(given.dtype, np.floating) or given.shape != (levels,):
        raise ValueError(
            f"ramp: {given.dtype} of shape {given.shape};"
            f" expected floats of shape {(levels,)}, one a level"
        )
    if not np.isfinite(given).all():
        raise ValueError("ramp: holds NaN or Inf; expected finite values")
    if (given < 0).any():
        raise ValueError(f"ramp: holds {given.min():g}; expected values >= 0")
