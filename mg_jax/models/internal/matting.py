"""How opaque the rim of a moving object is: a mask drawn by hand has some background at its rim.

A rim pixel I is a mixture α·F + (1−α)·B of the object's colour F, found further inside, and the
background's B, found outside; α is where I lies between the two. Before another background B′
the pixel is I + (1−α)·(B′ − B).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

# Shares of the picture's size.
_RIM = 1 / 64  # so wide is the rim, inside the mask
_AWAY = 1 / 170  # so far outside the mask the background is seen without the object
_SMOOTH = 1.0  # pixels: deviation of the blur that colours are read from
_ALIKE = 0.15  # in [-1, 1]: object and background closer than this cannot be told apart
_CLEAR = 0.5  # the background shows through up to the first pixels more opaque than this


class Matte(NamedTuple):
    """The object's rim."""

    opacity: Float[np.ndarray, "H W"]  # α: 1 inside the object
    background: Float[np.ndarray, "H W 3"]  # B


def matte(photo: Float[np.ndarray, "H W 3"], moving: Bool[np.ndarray, "H W"]) -> Matte:
    """Opacity of a moving object, and what is behind its rim; the photo in [-1, 1]."""
    size = float(np.sqrt(moving.size))
    depth = ndimage.distance_transform_edt(moving)
    away = ndimage.distance_transform_edt(~moving)
    rim = moving & (depth <= _RIM * size)
    smooth = ndimage.gaussian_filter(photo, (_SMOOTH, _SMOOTH, 0))
    background = _nearest(smooth, away > _AWAY * size)
    difference = _nearest(smooth, depth > _RIM * size) - background
    square = np.square(difference).sum(axis=-1)
    alpha = ((photo - background) * difference).sum(axis=-1) / np.maximum(square, _ALIKE**2)
    inner = ndimage.distance_transform_edt(depth <= _RIM * size)  # far from where a part is thin
    told = rim & (square > _ALIKE**2) & (inner <= 2 * _RIM * size)
    alpha = np.where(told, np.clip(alpha, 0, 1), 1)
    reached = ndimage.binary_propagation(~moving, mask=~moving | (alpha < _CLEAR))
    near = ndimage.binary_dilation(reached)
    return Matte(np.where(near & moving, alpha, 1).astype(np.float32), background)


def _nearest(
    picture: Float[np.ndarray, "H W 3"], where: Bool[np.ndarray, "H W"]
) -> Float[np.ndarray, "H W 3"]:
    """Each pixel's colour at the nearest pixel of `where`; unchanged if there is none."""
    if not where.any():
        return picture
    row, column = ndimage.distance_transform_edt(
        ~where, return_distances=False, return_indices=True
    )
    return np.asarray(picture[row, column])
