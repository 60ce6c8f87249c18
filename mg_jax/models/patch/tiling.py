"""Tiles of an edit region, and the patches that each tile is compared with.

The prior of a patch falls with the distance from its home, and is negligible beyond a few
deviations. So a tile's queries are compared with the patches whose homes are near: their number
does not grow with the picture.
"""

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import cKDTree

_SIDE = 8  # cells of a tile
_FEWEST = 64  # least patches of a tile, however far their homes
_BUCKET = 512  # numbers of candidates are rounded up to multiples of this, large ones to coarser
# steps, so that similar edits share compiled programs


def tiles(inside: Bool[np.ndarray, "h w"]) -> list[Int[np.ndarray, "_ 2"]]:
    """(row, column) of the region's cells, tile by tile; empty tiles are left out."""
    cells = np.argwhere(inside)
    name = cells // _SIDE @ np.array([inside.shape[1], 1])
    order = np.argsort(name, kind="stable")
    borders = np.nonzero(np.diff(name[order]))[0] + 1
    return [part for part in np.split(cells[order], borders) if len(part)]


def slots(shape: tuple[int, int]) -> tuple[int, int]:
    """The largest number of tiles of a grid, and of queries in a tile."""
    rows, columns = (-(-length // _SIDE) for length in shape)
    return rows * columns, _SIDE * _SIDE


def candidates(
    parts: list[Int[np.ndarray, "_ 2"]], homes: Float[np.ndarray, "k 2"], reach: float
) -> list[Int[np.ndarray, " _"]]:
    """Each tile's keys: all with a home within `reach` cells, and at least the nearest 64."""
    if not len(homes):
        return [np.zeros(0, np.int64)] * len(parts)
    middle = _middles(parts)
    tree = cKDTree(homes)
    reached = tree.query_ball_point(middle, _SIDE / 2 + reach, p=np.inf)
    _, nearest = tree.query(middle, [*range(1, min(_FEWEST, len(homes)) + 1)])
    return [
        np.union1d(np.asarray(own, np.int64), near)
        for own, near in zip(reached, nearest, strict=True)
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
    """Padded number of candidates per tile, for tiles with these `counts`."""
    buckets = -(-max(counts) // _BUCKET)
    step = max(1, 1 << max(0, (buckets - 1).bit_length() - 2))
    return -(-buckets // step) * step * _BUCKET
