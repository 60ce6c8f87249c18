"""How opaque the rim of a moving object is: a mask drawn by hand has some background at its rim.

A rim pixel I is a mixture α·F + (1−α)·B of the object's colour F, found further inside, and the
background's B, found outside; α is where I lies between the two. Before another background B′
the pixel is I + (1−α)·(B′ − B).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from flows import nearest

# Shares of the picture's size.
_RIM = 1 / 64  # so wide is the rim, inside the mask
_AWAY = 1 / 170  # so far outside the mask the background is seen without the object
_SMOOTH = 1.0  # pixels: deviation of the blur that colours are read from
_ALIKE = 0.15  # in [-1, 1]: object and background closer than this cannot be told apart
_CLEAR = 0.5  # the background shows through up to the first pixels more opaque than this
_LOOSE = 0.6  # share of an outline that is clear, from which on the mask is larger than the object
_EDGE = 1 / 128  # so far outside the mask the object's edge may show
_ROUND = 1 / 64  # deviation of the window that shows how the background varies
_FARTHER = 1 / 32  # so far outside the mask is looked for comparison
_UNLIKE = 2.0, 0.1  # of the background is what differs by less: deviations, and in [-1, 1]
_TINGED = 0.7, 0.07  # the same of the mean of many pixels
_FEW = 1e-3  # of a window: too little to compare with


class Matte(NamedTuple):
    """The object's rim."""

    opacity: Float[np.ndarray, "H W"]  # α: 1 inside the object; outside the mask its edge's
    background: Float[np.ndarray, "H W 3"]  # B


def matte(photo: Float[np.ndarray, "H W 3"], moving: Bool[np.ndarray, "H W"]) -> Matte:
    """Opacity of a moving object, and what is behind its rim; the photo in [-1, 1]."""
    size = float(np.sqrt(moving.size))
    depth, away = nearest.distance(~moving), nearest.distance(moving)
    deep = depth > _RIM * size
    rim = moving & ~deep
    smooth = ndimage.gaussian_filter(photo, (_SMOOTH, _SMOOTH, 0))
    background = nearest.value(smooth, away > _AWAY * size)
    difference = nearest.value(smooth, deep) - background
    square = np.square(difference).sum(axis=-1)
    alpha = ((photo - background) * difference).sum(axis=-1) / np.maximum(square, _ALIKE**2)
    thick = nearest.distance(deep) <= 2 * _RIM * size
    told = rim & (square > _ALIKE**2) & thick
    alpha = np.where(told, np.clip(alpha, 0, 1), 1)
    clear = alpha < _CLEAR
    reached = ndimage.binary_propagation(
        ~moving, mask=~moving | (clear & _loose(moving, clear, told & (depth <= 1)))
    )
    near = ndimage.binary_dilation(reached)
    opacity = np.where(near & moving, alpha, 1).astype(np.float32)
    return Matte(nearest.value(opacity, moving), background)


def _loose(
    moving: Bool[np.ndarray, "H W"],
    clear: Bool[np.ndarray, "H W"],
    outline: Bool[np.ndarray, "H W"],
) -> Bool[np.ndarray, "H W"]:
    """Mark the parts of a mask that were drawn larger than the object.

    An object may look like its background somewhere, but hardly all round.
    """
    parts, count = ndimage.label(moving)
    outlines = parts[outline]
    shown = np.bincount(outlines[clear[outline]], minlength=count + 1)
    loose = shown > _LOOSE * np.bincount(outlines, minlength=count + 1)
    return np.asarray(loose[parts])


def stained(
    photo: Float[np.ndarray, "H W 3"], moving: Bool[np.ndarray, "H W"]
) -> Bool[np.ndarray, "H W"]:
    """Mark a moving object and the pixels round it that show some of it; the photo in [-1, 1].

    The mask's neighbours, and what touches them, is near the mask, and differs from the background
    by more than that varies there; or all near the mask, where it has another colour in the mean
    than what is farther: its light, its shadow, its blur.
    """
    size = float(np.sqrt(moving.size))
    away = nearest.distance(moving)
    edge = away <= _EDGE * size
    mean, deviation = _spread(photo, away > _EDGE * size / 2, _ROUND * size)
    unlike = np.linalg.norm(photo - mean, axis=-1) > _UNLIKE[0] * deviation + _UNLIKE[1]
    beside = ndimage.binary_dilation(moving, np.ones((3, 3)))
    tint, _ = _spread(photo, edge & ~beside, _ROUND * size)
    mean, deviation = _spread(photo, ~edge & (away <= _FARTHER * size), _ROUND * size)
    unlike |= np.linalg.norm(tint - mean, axis=-1) > _TINGED[0] * deviation + _TINGED[1]
    return np.asarray(ndimage.binary_propagation(beside, mask=beside | (edge & unlike)))


def _spread(
    photo: Float[np.ndarray, "H W 3"], where: Bool[np.ndarray, "H W"], width: float
) -> tuple[Float[np.ndarray, "H W 3"], Float[np.ndarray, "H W"]]:
    """Mean colour of the pixels of `where` around each pixel, and their deviation from it.

    The deviation is infinite where there are none: anything may be there.
    """
    share = ndimage.gaussian_filter(where.astype(np.float64), width)[..., None]
    seen = np.where(where[..., None], photo, 0).astype(np.float64)
    mean, square = (
        ndimage.gaussian_filter(values, (width, width, 0)) / np.maximum(share, 1e-9)
        for values in (seen, np.square(seen))
    )
    deviation = np.sqrt(np.maximum(square - np.square(mean), 0).sum(axis=-1))
    return mean, np.where(share[..., 0] > _FEW, deviation, np.inf)
