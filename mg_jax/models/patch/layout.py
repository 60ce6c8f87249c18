"""The layout of a hole: rough colours that go on what is around it.

In a good filling every patch that reaches into the hole looks like one that is known (Wexler,
Shechtman & Irani 2007, "Space-Time Completion of Video"). So each of them is compared with all
known ones, the nearest of each votes for the colours, and this is repeated: on a coarse grid first,
where a patch sees far. The result is blurred, but says which colour belongs where.
"""

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.lib.stride_tricks import sliding_window_view
from scipy import ndimage
from scipy.spatial import cKDTree

from flows import nearest
from mg_jax import images

_CELLS = 4, 2  # sides of the two grids' cells, in cells of the picture
_RADIUS = 3  # of the patches
_COMPONENTS = 16  # principal components of the patches
_ROUNDS = 6  # of votes on each grid
_DEEPER = 1.3  # a patch whose centre lies deeper in the hole by a cell has so much less weight
_GOOD = 75  # per cent of the patches whose distance to the nearest known one is taken for good
_FEWEST = 50  # known patches to vote with


def layout(
    picture: Float[np.ndarray, "h w c"],
    known: Bool[np.ndarray, "h w"],
    hole: Bool[np.ndarray, "h w"],
) -> Float[np.ndarray, "h w c"]:
    """Rough colours of a hole in a picture; cells that are not `known` have no say.

    Votes begin with the colours of the nearest known cells, which cells that are neither known nor
    in the hole keep.
    """
    picture = np.where(known[..., None], picture, 0).astype(np.float64)
    share = known[..., None].astype(np.float64)
    rough = nearest.value(picture, known)
    for side in _CELLS:
        shape = (-(-known.shape[0] // side), -(-known.shape[1] // side))
        whole = images.box(share, shape)[..., 0] > 1 - 1e-6
        colors = np.where(whole[..., None], images.box(picture, shape), images.box(rough, shape))
        missing = images.box(hole[..., None].astype(np.float64), shape)[..., 0] > 0
        rough = images.magnified(_voted(colors, whole, missing), known.shape)
    return rough


def _voted(
    colors: Float[np.ndarray, "h w c"],
    known: Bool[np.ndarray, "h w"],
    hole: Bool[np.ndarray, "h w"],
) -> Float[np.ndarray, "h w c"]:
    """Improve the colours of a hole by votes of known patches."""
    side = 2 * _RADIUS + 1
    window = np.ones((side, side))
    sources = np.argwhere(ndimage.binary_erosion(known, window))
    asked = np.argwhere(ndimage.binary_dilation(hole, window))
    if len(sources) < _FEWEST or not len(asked):
        return colors
    patches = _patches(colors, sources)
    mean = patches.mean(axis=0)
    directions = np.linalg.eigh((patches - mean).T @ (patches - mean))[1][:, -_COMPONENTS:]
    tree = cKDTree((patches - mean) @ directions)
    certain = _DEEPER ** -ndimage.distance_transform_edt(~known)[tuple(asked.T)]
    for _ in range(_ROUNDS):
        distance, number = tree.query((_patches(colors, asked) - mean) @ directions, eps=0.5)
        good = np.percentile(distance, _GOOD) + 1e-6
        weight = certain * np.exp(-0.5 * np.square(distance / good))
        total, weights = _votes(colors, asked, sources[number], weight)
        voted = total / np.maximum(weights, 1e-12)[..., None]
        colors = np.where((hole & ~known & (weights > 0))[..., None], voted, colors)
    return colors


def _votes(
    colors: Float[np.ndarray, "h w c"],
    asked: Int[np.ndarray, "n 2"],
    chosen: Int[np.ndarray, "n 2"],
    weight: Float[np.ndarray, " n"],
) -> tuple[Float[np.ndarray, "h w c"], Float[np.ndarray, "h w"]]:
    """Sum up, with weights, the colours that the chosen patches give round `asked`."""
    shape = np.array(colors.shape[:2])
    channels = colors.shape[2]
    total, weights = np.zeros((shape.prod(), channels)), np.zeros(shape.prod())
    for step in np.ndindex(2 * _RADIUS + 1, 2 * _RADIUS + 1):
        offset = np.array(step) - _RADIUS
        here, there = asked + offset, chosen + offset
        inside = ((here >= 0) & (here < shape)).all(axis=-1)
        cell = here[inside] @ np.array([shape[1], 1])
        votes = weight[inside, None] * colors[tuple(there[inside].T)]
        weights += np.bincount(cell, weight[inside], weights.size)
        for channel in range(channels):
            total[:, channel] += np.bincount(cell, votes[:, channel], weights.size)
    return total.reshape(colors.shape), weights.reshape(colors.shape[:2])


def _patches(
    colors: Float[np.ndarray, "h w c"], places: Int[np.ndarray, "n 2"]
) -> Float[np.ndarray, "n D"]:
    """The patches round some cells; beyond the picture it is mirrored."""
    side = 2 * _RADIUS + 1
    padded = np.pad(colors, [(_RADIUS, _RADIUS), (_RADIUS, _RADIUS), (0, 0)], mode="symmetric")
    windows = sliding_window_view(padded, (side, side), axis=(0, 1))
    return np.asarray(windows[tuple(places.T)].reshape(len(places), -1))
