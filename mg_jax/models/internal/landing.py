"""Where a moving object lands, and which of its points lies where."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from flows import nearest
from flows.masks import TEAR, solid

# Splatting spreads an edge over a pixel: shares of a pixel covered where it begins and ends.
_EDGE = 0.25, 0.75


class Landing(NamedTuple):
    """An object after its motion."""

    covered: Float[np.ndarray, "H W"]  # share of each pixel
    origin: Float[np.ndarray, "H W 2"]  # (x, y) before; where nothing lands, that of the nearest


def land(flow: Float[np.ndarray, "H W 2"]) -> Landing:
    """Move what moves along the flow, and what rests in its middle (`flows.masks.solid`).

    They are splatted at least four to a pixel, and as many as enlarging needs to leave no hole.
    Where points land on each other the mean is taken.
    """
    moving = solid(flow)
    height, width = moving.shape
    rows, columns = np.nonzero(moving)
    change = _change(flow, moving)[rows, columns]
    longest = np.quantile(_norm(change + np.eye(2)), 0.99) if rows.size else 1.0
    fine = int(np.clip(np.ceil(longest), 2, TEAR))
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
    return Landing(covered, nearest.value(mean, hit).astype(np.float32))


def _change(
    flow: Float[np.ndarray, "H W 2"], moving: Bool[np.ndarray, "H W"]
) -> Float[np.ndarray, "H W 2 2"]:
    """The flow's derivatives by x and y, between neighbours that move and hang together."""
    change = np.zeros((*moving.shape, 2, 2))
    for column, axis in enumerate((1, 0)):
        step = np.diff(flow.astype(np.float64), axis=axis)
        parted = np.linalg.norm(step + np.eye(2)[column], axis=-1)
        before, after = ((slice(None),) * axis + (part,) for part in (slice(-1), slice(1, None)))
        whole = moving[before] & moving[after] & (parted <= TEAR)
        total, count = change[..., column], np.zeros(moving.shape)
        for side in (before, after):
            total[side] += step * whole[..., None]
            count[side] += whole
        total /= np.maximum(count, 1)[..., None]
    return change


def _norm(matrix: Float[np.ndarray, "n 2 2"]) -> Float[np.ndarray, " n"]:
    """How much longer a matrix makes a vector at most: its larger singular value."""
    square = np.square(matrix).sum(axis=(-2, -1))
    rest = np.square(square) - 4 * np.square(np.linalg.det(matrix))
    return np.asarray(np.sqrt((square + np.sqrt(np.maximum(rest, 0))) / 2))
