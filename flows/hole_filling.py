"""A flow known in some pixels, carried on to all."""

import numpy as np
import scipy.ndimage
from jaxtyping import Bool, Float


def spread(
    flow: Float[np.ndarray, "h w 2"], known: Bool[np.ndarray, "h w"]
) -> Float[np.ndarray, "h w 2"]:
    """Keep the known flow, and continue it smoothly: the farther away, the wider the mean.

    An unknown pixel is read from the flow of half the size, itself the mean of each four pixels
    known, and spread in the same way ("pull-push": Gortler et al., "The Lumigraph", SIGGRAPH 1996).

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
    """The sum of each two by two pixels."""
    height, width, channels = values.shape
    return np.asarray(values.reshape(height // 2, 2, width // 2, 2, channels).sum((1, 3)))
