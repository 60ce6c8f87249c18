"""Where a moving object lands, and which of its points lies where."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from flows.masks import solid

# Neighbours that part by less leave no cracks, and how much of a pixel they cover can be told.
_SMOOTH = 2.0
# Splatting spreads an edge over a pixel: shares of a pixel covered where it begins and ends.
_EDGE = 0.25, 0.75
_CRACK = 2  # pixels: elsewhere cracks so wide are closed
_TORN = 8.0  # neighbours that part by more do not hang together


class Landing(NamedTuple):
    """An object after its motion."""

    covered: Float[np.ndarray, "H W"]  # share of each pixel
    origin: Float[np.ndarray, "H W 2"]  # (x, y) before; where nothing lands, that of the nearest


def land(flow: Float[np.ndarray, "H W 2"], moving: Bool[np.ndarray, "H W"]) -> Landing:
    """Move the pixels of `moving`, and single ones that rest among them, along the flow.

    They are splatted four to a pixel, or sixteen, so that enlarging by up to two, or four, leaves
    no hole. Where points land on each other the mean is taken.
    """
    height, width = moving.shape
    moving = solid(moving)
    rows, columns = np.nonzero(moving)
    change, longest = _change(flow, moving)
    change = change[rows, columns]
    fine = 2 if longest <= 2 else 4
    share = np.abs(np.linalg.det(change + np.eye(2))) / fine**2
    weight = np.zeros(height * width)
    total = np.zeros((2, height * width))
    places = (np.arange(fine) + 0.5) / fine - 0.5
    for offset_y in places:
        for offset_x in places:
            x, y = columns + offset_x, rows + offset_y
            moved = flow[rows, columns] + change @ np.array([offset_x, offset_y])
            landing_x, landing_y = x + moved[:, 0], y + moved[:, 1]
            for dy in (0, 1):
                for dx in (0, 1):
                    j = np.floor(landing_x).astype(np.int64) + dx
                    i = np.floor(landing_y).astype(np.int64) + dy
                    amount = (1 - np.abs(landing_y - i)) * (1 - np.abs(landing_x - j)) * share
                    inside = (i >= 0) & (i < height) & (j >= 0) & (j < width)
                    flat, amount = (i * width + j)[inside], amount[inside]
                    weight += np.bincount(flat, amount, height * width)
                    total[0] += np.bincount(flat, amount * x[inside], height * width)
                    total[1] += np.bincount(flat, amount * y[inside], height * width)
    mean = np.moveaxis((total / np.maximum(weight, 1e-6)).reshape(2, height, width), 0, -1)
    weight = weight.reshape(height, width)
    covered = np.clip((weight - _EDGE[0]) / (_EDGE[1] - _EDGE[0]), 0, 1)
    hit = covered > 0
    if longest >= _SMOOTH:
        covered = (ndimage.binary_closing(hit, iterations=_CRACK) | hit).astype(np.float64)
    if not hit.any():
        return Landing(covered, mean.astype(np.float32))
    row, column = ndimage.distance_transform_edt(~hit, return_distances=False, return_indices=True)
    return Landing(covered, mean[row, column].astype(np.float32))


def _change(
    flow: Float[np.ndarray, "H W 2"], moving: Bool[np.ndarray, "H W"]
) -> tuple[Float[np.ndarray, "H W 2 2"], float]:
    """The flow's derivatives by x and y, and how far apart it brings neighbours, in pixels.

    Read inside the object: at its edges nothing can be told; nor where it tears.
    """
    inside = ndimage.binary_erosion(moving, iterations=2)
    if not inside.any():
        return np.zeros((*moving.shape, 2, 2)), 1.0
    row, column = ndimage.distance_transform_edt(
        ~inside, return_distances=False, return_indices=True
    )
    by_y, by_x = np.gradient(flow.astype(np.float64), axis=(0, 1))
    change = np.stack([by_x, by_y], axis=-1)
    stretch = _norm(change + np.eye(2))
    change[stretch > _TORN] = 0
    return change[row, column], float(np.quantile(stretch[inside], 0.99))


def _norm(matrix: Float[np.ndarray, "H W 2 2"]) -> Float[np.ndarray, "H W"]:
    """How much longer a matrix makes a vector at most: its larger singular value."""
    square = np.square(matrix).sum(axis=(2, 3))
    rest = np.square(square) - 4 * np.square(np.linalg.det(matrix))
    return np.asarray(np.sqrt((square + np.sqrt(np.maximum(rest, 0))) / 2))
