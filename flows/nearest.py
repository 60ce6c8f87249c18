"""How far each pixel is from a mask, and what is there."""

import numpy as np
import scipy.ndimage
from jaxtyping import Bool, Float, Int, Shaped


def distance(where: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Way to the nearest pixel of `where`, in pixels; infinite if it has none."""
    if not where.any():
        return np.full(where.shape, np.inf)
    return np.asarray(scipy.ndimage.distance_transform_edt(~where))


def place(where: Bool[np.ndarray, "h w"]) -> Int[np.ndarray, "2 h w"]:
    """Row and column of the nearest pixel of `where`; each pixel's own if it has none."""
    if not where.any():
        return np.indices(where.shape)
    return np.asarray(
        scipy.ndimage.distance_transform_edt(~where, return_distances=False, return_indices=True)
    )


def value(
    picture: Shaped[np.ndarray, "h w *_"], where: Bool[np.ndarray, "h w"]
) -> Shaped[np.ndarray, "h w *_"]:
    """Each pixel's value at the nearest pixel of `where`; unchanged if it has none."""
    row, column = place(where)
    return np.asarray(picture[row, column])
