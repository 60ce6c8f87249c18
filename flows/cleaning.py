"""Clean an estimated flow for use as a target: objects move as a whole, the rest is exactly 0."""

import numpy as np
import scipy.ndimage
from jaxtyping import Bool, Float, Float32

from flows import nearest
from flows.hole_filling import spread

_MEDIAN = 5  # pixels a side
_RIM = 4  # pixels; RAFT estimates cells of 8 and blurs edges in between


def clean(
    flow: Float[np.ndarray, "h w 2"],
    known: Bool[np.ndarray, "h w"],
    least_motion: float,
    least_region: int,
) -> Float32[np.ndarray, "h w 2"]:
    """Keep the motion that is certain and extend it to the pixels that belong to it; 0 elsewhere.

    1. Fill unknown pixels from the nearest known ones; a 5x5 median removes outliers.
    2. Certain are regions of at least `least_region` known pixels that move by `least_motion` or
       more, without their outermost 4 pixels, which the network blurs.
    3. A pixel of such a rim, or an unknown one, either rests or takes the certain motion around it,
       whichever its own estimate is nearer to. If all of them rested, an object would be torn; if
       all moved, they would carry along the background that the object covers.
    4. Moving regions of fewer than `least_region` pixels are dropped, resting holes as small move.

    Args:
        flow: the estimate, in pixels.
        known: where it can be trusted, e.g. by `consistency.consistent`.
        least_motion: length, in pixels, from which a pixel counts as moving.
        least_region: size of the smallest region, in pixels, connected by their sides.
    """
    if not known.any():
        return np.zeros(flow.shape, np.float32)
    filled = nearest.value(flow, known)  # a mean would be a motion of its own
    smooth = scipy.ndimage.median_filter(filled, size=(_MEDIAN, _MEDIAN, 1), mode="nearest")
    moves = _without_small(known & (_length(smooth) >= least_motion), least_region)
    if not moves.any():
        return np.zeros(flow.shape, np.float32)
    certain = _without_rim(moves)
    motion = spread(smooth, certain)
    nearer = _length(flow - motion) < _length(flow)
    moves = certain | (nearer & (moves | ~known))
    moves = ~_without_small(~_without_small(moves, least_region), least_region)
    return np.where(moves[..., None], motion, 0).astype(np.float32)


def _without_rim(region: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """The region without its outermost 4 pixels; parts that would vanish are kept whole."""
    inner = scipy.ndimage.binary_erosion(region, iterations=_RIM, border_value=1)
    labels, parts = scipy.ndimage.label(region)
    left = scipy.ndimage.maximum(inner, labels, np.arange(parts + 1))
    return np.asarray(inner | (region & ~left.astype(bool)[labels]))


def _without_small(region: Bool[np.ndarray, "h w"], least: int) -> Bool[np.ndarray, "h w"]:
    """The region without its connected parts of fewer than `least` pixels."""
    labels, _ = scipy.ndimage.label(region)
    large = np.bincount(labels.ravel()) >= least
    large[0] = False  # label 0: pixels outside the region
    return np.asarray(large[labels])


def _length(flow: Float[np.ndarray, "h w 2"]) -> Float[np.ndarray, "h w"]:
    return np.asarray(np.linalg.norm(flow, axis=-1))
