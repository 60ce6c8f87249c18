"""From an estimated flow to one that can be asked for: objects move whole, the rest rests."""

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
    """Leave what moves for certain, and what belongs to it.

    A median over 5x5 pixels, in which unknown ones have no say, takes out single wrong ones. Then
    regions of at least `least_region` known pixels that move by `least_motion` or more are certain,
    but for their rims, which the network blurs. A rim's or unknown pixel either rests or goes on
    with the certain motion around it, whichever its own estimate is nearer to: all left at rest,
    they would tear an object; all moving, they would take along the background that it covers.
    Resting holes of fewer than `least_region` pixels move with what is around them.

    Args:
        flow: pixels.
        known: where it can be believed.
        least_motion: pixels.
        least_region: pixels, connected by their sides.
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
    """The region without its outermost pixels; parts so thin that nothing would be left, whole."""
    inner = scipy.ndimage.binary_erosion(region, iterations=_RIM, border_value=1)
    labels, parts = scipy.ndimage.label(region)
    left = scipy.ndimage.maximum(inner, labels, np.arange(parts + 1))
    return np.asarray(inner | (region & ~left.astype(bool)[labels]))


def _without_small(region: Bool[np.ndarray, "h w"], least: int) -> Bool[np.ndarray, "h w"]:
    """The region without its connected parts of fewer than `least` pixels."""
    labels, _ = scipy.ndimage.label(region)
    large = np.bincount(labels.ravel()) >= least
    large[0] = False  # what is not in the region
    return np.asarray(large[labels])


def _length(flow: Float[np.ndarray, "h w 2"]) -> Float[np.ndarray, "h w"]:
    return np.asarray(np.linalg.norm(flow, axis=-1))
