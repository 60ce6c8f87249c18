"""How much of each pixel is the moving object: the opacity of its rim.

A mask drawn by hand has some background at its rim, and hair and shadow lie outside it. Near the
mask's outline a pixel is a mixture α·F + (1−α)·B of the object's colour F and the background's B.
In a small window F and B lie on lines in colour space, so that α is affine in the colours; the
opacity that is so in every window, as well as can be, solves a sparse linear system (Levin,
Lischinski & Weiss 2008, "A Closed-Form Solution to Natural Image Matting"). F is then read from the
opaque neighbours (Forte 2021, "Approximate Fast Foreground Colour Estimation").
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage, sparse
from scipy.sparse.linalg import splu

from flows import nearest

SEEN = 0.1
"""A pixel that is less opaque shows nothing of the object."""

# Shares of the picture's size.
_INSIDE = 1 / 64  # deeper inside the mask all is object
_OUTSIDE = 1 / 128  # farther outside nothing is
_SHORT = 1 / 128  # what moves by less has no rim of its own: its mask is taken as it is
_VARIES = 1e-5  # variance of a window's colours, in [0, 1], that is noise
_MASK = 1e-2  # weight of the mask's own word, beside a window's
_BLURS = 1 / 12, 1 / 85  # of the means from which colours are read
_EDGE = 1 / 128  # so far outside the mask the object's edge may show
_ROUND = 1 / 64  # deviation of the window that shows how the background varies
_FARTHER = 1 / 32  # so far outside the mask is looked for comparison
_UNLIKE = 2.0, 0.1  # of the background is what differs by less: deviations, and in [-1, 1]
_TINGED = 0.7, 0.07  # the same of the mean of many pixels
_FEW = 1e-3  # of a window: too little to compare with


class Matte(NamedTuple):
    """An object cut out of its photo."""

    opacity: Float[np.ndarray, "H W"]  # α: 1 inside the object, 0 outside
    color: Float[np.ndarray, "H W 3"]  # F: the photo where α is 1


def matte(
    photo: Float[np.ndarray, "H W 3"],
    flow: Float[np.ndarray, "H W 2"],
    moving: Bool[np.ndarray, "H W"],
) -> Matte:
    """Opacity and colour of what moves; the photo in [-1, 1].

    Where the motion is short (at a joint, or where it begins) there is no rim, and thin parts do
    not say what colour they have: there opacity is the mask's, as it is where the object and its
    background look alike.
    """
    size = float(np.sqrt(moving.size))
    opacity = moving.astype(np.float32)
    jump = np.linalg.norm(nearest.value(flow, moving), axis=-1)
    depth, away = nearest.distance(~moving), nearest.distance(moving)
    deep = depth > _INSIDE * size
    rim = ~deep & (away <= _OUTSIDE * size) & (jump > _SHORT * size)
    rim &= nearest.distance(deep) <= 2 * _INSIDE * size
    if moving.all() or not rim.any():
        return Matte(opacity, photo)
    opacity[rim] = _solved((photo + 1) / 2, opacity, rim)
    return Matte(opacity, _color(photo, opacity, rim, size))


def _solved(
    photo: Float[np.ndarray, "H W 3"],
    mask: Float[np.ndarray, "H W"],
    rim: Bool[np.ndarray, "H W"],
) -> Float[np.ndarray, " n"]:
    """Opacity of the rim's pixels: the matting Laplacian's, the mask given outside the rim."""
    height, width = rim.shape
    if min(height, width) < 3:
        return np.asarray(mask[rim])
    near = ndimage.binary_dilation(rim, np.ones((3, 3)))[1:-1, 1:-1]
    row, column = (1 + middle for middle in np.nonzero(near))
    across = np.tile([-1, 0, 1], 3)
    pixel = (row[:, None] + np.repeat([-1, 0, 1], 3)) * width + column[:, None] + across
    color = photo.reshape(-1, 3)[pixel].astype(np.float64)
    color -= color.mean(axis=1, keepdims=True)
    spread = np.einsum("nki,nkj->nij", color, color) / 9 + _VARIES / 9 * np.eye(3)
    alike = (1 + color @ np.linalg.inv(spread) @ np.swapaxes(color, 1, 2)) / 9
    weight = np.eye(9) - alike
    number = np.full(rim.size, -1)
    number[rim.ravel()] = np.arange(rim.sum())
    here, there = np.broadcast_arrays(number[pixel][:, :, None], number[pixel][:, None])
    count = int(rim.sum())
    linked, given = (here >= 0) & (there >= 0), (here >= 0) & (there < 0)
    laplacian = sparse.csc_array(
        (weight[linked], (here[linked], there[linked])), shape=(count, count)
    )
    told = np.broadcast_to(mask.ravel()[pixel][:, None], weight.shape)
    wanted = _MASK * mask[rim] - np.bincount(here[given], (weight * told)[given], count)
    system = laplacian + _MASK * sparse.eye_array(count, format="csc")
    return np.asarray(np.clip(splu(system).solve(wanted), 0, 1))


def _color(
    photo: Float[np.ndarray, "H W 3"],
    opacity: Float[np.ndarray, "H W"],
    rim: Bool[np.ndarray, "H W"],
    size: float,
) -> Float[np.ndarray, "H W 3"]:
    """The object's own colour in its rim, without the background's share; the photo elsewhere."""
    share = opacity[..., None].astype(np.float64)
    own = behind = photo.astype(np.float64)
    for width in _BLURS:
        side = 2 * round(width * size / 2) + 1

        def mean(values: np.ndarray, side: int = side) -> np.ndarray:
            return np.asarray(ndimage.uniform_filter(values, (side, side, 1), mode="nearest"))

        own = mean(own * share) / np.maximum(mean(share), 1e-5)
        behind = mean(behind * (1 - share)) / np.maximum(mean(1 - share), 1e-5)
        own = np.clip(own + share * (photo - share * own - (1 - share) * behind), -1, 1)
    return np.where(rim[..., None], own, photo).astype(np.float32)


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
