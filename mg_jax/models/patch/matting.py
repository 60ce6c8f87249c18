"""Matting: the opacity of the moving object in its rim, and its own colour there.

A mask drawn by hand has some background at its rim, and hair and shadow lie outside it. What is
clearly background is cut away first: colours and places nearer to the background's than to the
object's. Near the outline that is left, a pixel is a mixture α·F + (1−α)·B of the object's colour F
and the background's B.
In a small window F and B lie on lines in colour space, so that α is affine in the colours; the
least-squares fit of that in all windows is a sparse linear system (Levin, Lischinski & Weiss 2008,
"A Closed-Form Solution to Natural Image Matting"). F is then estimated from the opaque neighbours
(Forte 2021, "Approximate Fast Foreground Colour Estimation").
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage, sparse
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from flows import masks, nearest

SEEN = 0.1
"""Least opacity of a pixel that shows the object."""

# Lengths are shares of the picture's size.
_INSIDE = 1 / 64  # depth inside the mask from which everything is object
_OUTSIDE = 1 / 128  # distance outside the mask from which nothing is
_SHORT = 1 / 128  # where motions are shorter, the mask is taken as it is
_COMPARED = 1 / 16  # distance from the rim up to which colours are compared
_ALIKE = 3  # the nearest pixels of either kind of which the last one counts
_OUTERMOST = 1 / 128  # depth inside the mask at which it is told whether the mask is too wide,
_ALONG = 1 / 32  # by all within this deviation along the outline:
_WIDE = 2 / 3  # if more than this share of them is like the background
_MIXED = 2  # pixels round what is left that may be mixtures
_VARIES = 1e-5  # variance of a window's colours, in [0, 1], that counts as noise
_MASK = 1e-2  # weight of the mask itself, against 1 for a window
_BLURS = 1 / 12, 1 / 85  # widths of the windows that colours are averaged in
_EDGE = 1 / 128  # distance outside the mask up to which the object may show
_ROUND = 1 / 64  # deviation of the window in which the background's variation is measured
_REACH = 4  # deviations that the window reaches, SciPy's default
_FARTHER = 1 / 32  # distance outside the mask up to which colours serve for comparison
_UNLIKE = 2.0, 0.1  # difference from which a pixel is no background: deviations, plus in [-1, 1]
_TINGED = 0.7, 0.07  # the same for the mean of many pixels
_FEW = 1e-3  # least share of a window to compare with


class Matte(NamedTuple):
    """An object cut out of its photo."""

    opacity: Float[np.ndarray, "H W"]  # α: 1 inside the object, 0 outside
    color: Float[np.ndarray, "H W 3"]  # F: the photo where α is 1


def matte(
    photo: Float[np.ndarray, "H W 3"],
    flow: Float[np.ndarray, "H W 2"],
    moving: Bool[np.ndarray, "H W"],
) -> Matte:
    """Estimate opacity and colour of what moves; the photo is in [-1, 1].

    Opacity is just the mask where the motion is short (at a joint, or where it begins), in thin
    parts, whose own colour is not known, and where object and background look alike.
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
    clear = _clear(photo, depth, deep, rim, size)
    opacity[clear] = 0
    below = deep & (nearest.distance(clear) <= _INSIDE * size)
    alike = _like_background(photo, below, depth > 2 * _INSIDE * size, depth == 0, size)
    rim |= below & ndimage.binary_dilation(alike, iterations=_MIXED)
    mixed = rim & ~ndimage.binary_erosion(clear | ~(rim | moving), iterations=_MIXED)
    opacity[mixed] = _solved((photo + 1) / 2, opacity, mixed)
    return Matte(opacity, _color(photo, opacity, rim, size))


def _clear(
    photo: Float[np.ndarray, "H W 3"],
    depth: Float[np.ndarray, "H W"],
    deep: Bool[np.ndarray, "H W"],
    rim: Bool[np.ndarray, "H W"],
    size: float,
) -> Bool[np.ndarray, "H W"]:
    """Mark what of the rim shows nothing but background, where the mask is too wide.

    That is decided along the outline, not by each pixel: an object whose mask fits may have some
    pixels like its background. `depth` is each pixel's inside the mask.
    """
    beyond = ~rim & (depth == 0)
    alike = _like_background(photo, rim, deep, beyond, size)
    outermost = (depth > 0) & (depth <= _OUTERMOST * size)
    counted, all_there = (
        ndimage.gaussian_filter(where.astype(np.float64), _ALONG * size)
        for where in (outermost & alike, outermost)
    )
    alike &= counted > _WIDE * all_there
    clear = ndimage.binary_propagation(beyond, np.ones((3, 3)), mask=beyond | alike)
    return np.asarray(rim & ~ndimage.binary_propagation(deep, mask=deep | (rim & ~clear)))


def _like_background(
    photo: Float[np.ndarray, "H W 3"],
    asked: Bool[np.ndarray, "H W"],
    own: Bool[np.ndarray, "H W"],
    behind: Bool[np.ndarray, "H W"],
    size: float,
) -> Bool[np.ndarray, "H W"]:
    """Mark what of `asked` is nearer to the background than to the object, in colour and place.

    Nothing where there is too little of either to compare with.
    """
    alike = np.zeros_like(asked)
    near = nearest.distance(asked) <= _COMPARED * size
    if min(np.count_nonzero(near & known) for known in (own, behind)) < _ALIKE:
        return alike
    place = np.moveaxis(np.indices(asked.shape), 0, -1) / size
    features = np.concatenate([photo, place], axis=-1)
    to_object, to_background = (
        cKDTree(features[near & known]).query(features[asked], k=[_ALIKE])[0][:, 0]
        for known in (own, behind)
    )
    alike[asked] = to_background < to_object
    return alike


def _solved(
    photo: Float[np.ndarray, "H W 3"],
    mask: Float[np.ndarray, "H W"],
    rim: Bool[np.ndarray, "H W"],
) -> Float[np.ndarray, " n"]:
    """Solve the matting Laplacian for the rim's opacity; outside the rim the mask is given."""
    height, width = rim.shape
    if min(height, width) < 3 or not rim.any():
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
    linked, bordering = (here >= 0) & (there >= 0), (here >= 0) & (there < 0)
    laplacian = sparse.csc_array(
        (weight[linked], (here[linked], there[linked])), shape=(count, count)
    )
    masked = np.broadcast_to(mask.ravel()[pixel][:, None], weight.shape)
    wanted = _MASK * mask[rim] - np.bincount(here[bordering], (weight * masked)[bordering], count)
    system = laplacian + _MASK * sparse.eye_array(count, format="csc")
    return np.asarray(np.clip(splu(system).solve(wanted), 0, 1))


def _color(
    photo: Float[np.ndarray, "H W 3"],
    opacity: Float[np.ndarray, "H W"],
    rim: Bool[np.ndarray, "H W"],
    size: float,
) -> Float[np.ndarray, "H W 3"]:
    """Estimate the object's own colour in its rim, without the background; the photo elsewhere."""
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
    """Mark a moving object and the pixels around it that show some of it; photo in [-1, 1].

    These are the mask's direct neighbours and, connected with them and near the mask, pixels that
    differ from the background by more than it varies there, or all pixels in areas whose mean
    colour differs from that farther away: the object's light, shadow or blur.
    """
    size = float(np.sqrt(moving.size))
    marked = np.zeros_like(moving)
    if moving.any():
        seen = masks.box(moving, math.ceil(size * (_EDGE + _REACH * _ROUND)) + 1)
        marked[seen] = _stained(photo[seen], moving[seen], size)
    return marked


def _stained(
    photo: Float[np.ndarray, "H W 3"], moving: Bool[np.ndarray, "H W"], size: float
) -> Bool[np.ndarray, "H W"]:
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

    The deviation is infinite where there are too few of them to compare with.
    """
    share = ndimage.gaussian_filter(where.astype(np.float64), width, truncate=_REACH)[..., None]
    seen = np.where(where[..., None], photo, 0).astype(np.float64)
    mean, square = (
        ndimage.gaussian_filter(values, (width, width, 0), truncate=_REACH)
        / np.maximum(share, 1e-9)
        for values in (seen, np.square(seen))
    )
    deviation = np.sqrt(np.maximum(square - np.square(mean), 0).sum(axis=-1))
    return mean, np.where(share[..., 0] > _FEW, deviation, np.inf)
