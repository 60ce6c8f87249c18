"""For each pixel, the nearest pixel of a mask: its distance, place and value."""

import numpy as np
import scipy.ndimage
from jaxtyping import Bool, Float, Int, Shaped


def distance(where: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Euclidean distance to the nearest True pixel of `where`; infinite if there is none."""
    if not where.any():
        return np.full(where.shape, np.inf)
    return np.asarray(scipy.ndimage.distance_transform_edt(~where))


def place(where: Bool[np.ndarray, "h w"]) -> Int[np.ndarray, "2 h w"]:
    """Row and column of the nearest True pixel of `where`; each pixel's own if there is none."""
    if not where.any():
        return np.indices(where.shape)
    return np.asarray(
        scipy.ndimage.distance_transform_edt(~where, return_distances=False, return_indices=True)
    )


def value(
    picture: Shaped[np.ndarray, "h w *_"], where: Bool[np.ndarray, "h w"]
) -> Shaped[np.ndarray, "h w *_"]:
    """The picture's value at the nearest True pixel of `where`; unchanged if there is none."""
    row, column = place(where)
    return np.asarray(picture[row, column])
