"""Tiles of an edit region, and the patches near enough to home to be asked there.

The prior on where a patch comes from falls with the distance of its home; beyond a few deviations
nothing is left of it. So a tile's queries are compared with the patches whose homes are near: not
all pairs are made, but a share that does not grow with the picture.
"""

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import cKDTree

_SIDE = 8  # cells of a tile
_FEWEST = 64  # patches that every tile has, however far their homes
_BUCKET = 512  # candidates are counted in these, and large numbers in powers of two of them: like
# edits share programs


def tiles(inside: Bool[np.ndarray, "h w"]) -> list[Int[np.ndarray, "_ 2"]]:
    """(row, column) of the region's cells, tile by tile; tiles without any are left out."""
    cells = np.argwhere(inside)
    name = cells // _SIDE @ np.array([inside.shape[1], 1])
    order = np.argsort(name, kind="stable")
    borders = np.nonzero(np.diff(name[order]))[0] + 1
    return [part for part in np.split(cells[order], borders) if len(part)]


def slots(shape: tuple[int, int]) -> tuple[int, int]:
    """How many tiles a grid can have, and queries a tile."""
    rows, columns = (-(-length // _SIDE) for length in shape)
    return rows * columns, _SIDE * _SIDE


def candidates(
    parts: list[Int[np.ndarray, "_ 2"]], homes: Float[np.ndarray, "k 2"], reach: float
) -> list[Int[np.ndarray, " _"]]:
    """Each tile's keys: all at home within `reach` cells of it, and the nearest in any case."""
    if not len(homes):
        return [np.zeros(0, np.int64)] * len(parts)
    middle = _middles(parts)
    tree = cKDTree(homes)
    found = tree.query_ball_point(middle, _SIDE / 2 + reach, p=np.inf)
    _, nearest = tree.query(middle, [*range(1, min(_FEWEST, len(homes)) + 1)])
    return [
        np.union1d(np.asarray(own, np.int64), near)
        for own, near in zip(found, nearest, strict=True)
    ]


def closest(
    parts: list[Int[np.ndarray, "_ 2"]], homes: Float[np.ndarray, "k 2"], count: int
) -> list[Int[np.ndarray, " _"]]:
    """Each tile's `count` keys with the nearest homes."""
    if len(homes) <= count:
        return [np.arange(len(homes))] * len(parts)
    _, nearest = cKDTree(homes).query(_middles(parts), [*range(1, count + 1)])
    return list(nearest)


def _middles(parts: list[Int[np.ndarray, "_ 2"]]) -> Float[np.ndarray, "tiles 2"]:
    return np.stack([part[0] for part in parts]) // _SIDE * _SIDE + (_SIDE - 1) / 2


def bucket(counts: list[int]) -> int:
    """Room for so many candidates a tile."""
    buckets = -(-max(counts) // _BUCKET)
    step = max(1, 1 << max(0, (buckets - 1).bit_length() - 2))
    return -(-buckets // step) * step * _BUCKET
