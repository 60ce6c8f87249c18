"""Extend a flow that is known at some pixels to all pixels."""

import numpy as np
import scipy.ndimage
from jaxtyping import Bool, Float


def spread(
    flow: Float[np.ndarray, "h w 2"], known: Bool[np.ndarray, "h w"]
) -> Float[np.ndarray, "h w 2"]:
    """Fill the unknown pixels smoothly; known ones stay. The farther away, the wider the average.

    "Pull-push" (Gortler et al., "The Lumigraph", SIGGRAPH 1996): the flow is reduced to half the
    size, by the mean of the known ones of each 2 x 2 pixels, filled there in the same way, and
    interpolated at the unknown pixels.

    Raises:
        ValueError: nothing is known.
    """
    if not known.any():
        raise ValueError("flow: is known nowhere; expected a known pixel")
    if known.all():
        return flow
    height, width = known.shape
    room = ((0, height % 2), (0, width % 2))
    weights = np.pad(known.astype(np.float64), room)
    values = np.pad(np.where(known[..., None], flow, 0), (*room, (0, 0)))
    count, total = _in_fours(weights[..., None]), _in_fours(values)
    half = spread(total / np.maximum(count, 1), count[..., 0] > 0)
    double = scipy.ndimage.zoom(half, (2, 2, 1), order=1, mode="nearest", grid_mode=True)
    return np.where(known[..., None], flow, double[:height, :width])


def _in_fours(values: Float[np.ndarray, "h w c"]) -> Float[np.ndarray, "h2 w2 c"]:
    """Sum over blocks of 2 x 2 pixels."""
    height, width, channels = values.shape
    return np.asarray(values.reshape(height // 2, 2, width // 2, 2, channels).sum((1, 3)))
