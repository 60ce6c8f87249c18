"""Regions of a flow: what moves, and where it lands; `flows.motion.Motion` caches them.

All masks are boolean [H, W] at the flow's size; distances are pixels.
"""

import numpy as np
from jaxtyping import Bool, Float

_OPPOSITE = ((0, 1), (1, 0), (1, 1), (1, -1))  # (y, x) to one neighbour; the other is opposite

# Neighbours that end more pixels apart than this are torn apart: no content fills the gap.
TEAR = 16.0

# Bilinear weight from which a pixel counts as hit: above the rounding of a whole-pixel motion.
_TOUCH = 1e-3


def moving(flow: Float[np.ndarray, "h w 2"], threshold: float = 1e-3) -> Bool[np.ndarray, "h w"]:
    """Mark the pixels that move: by more than `threshold` pixels in x or y."""
    return np.asarray((np.abs(flow) > threshold).any(axis=-1))


def solid(flow: Float[np.ndarray, "h w 2"], threshold: float = 1e-3) -> Bool[np.ndarray, "h w"]:
    """Mark what moves, and the pixels in it that rest because the motion passes through zero there.

    These are the centre of a turn or the axis of a stretch, for example: they belong to the object,
    and two opposite neighbours move in opposite directions.
    """
    moves = moving(flow, threshold)
    around = box(moves, 1)
    solid_there = moves[around]
    flow = flow[around]
    height, width = solid_there.shape
    rests = np.zeros_like(solid_there)
    padded = np.pad(flow, ((1, 1), (1, 1), (0, 0)))  # nothing moves outside the picture
    for dy, dx in _OPPOSITE:
        before, after = (
            padded[1 + y : 1 + y + height, 1 + x : 1 + x + width] for y, x in ((dy, dx), (-dy, -dx))
        )
        both = moving(before, threshold) & moving(after, threshold)
        longer = np.maximum(np.linalg.norm(before, axis=-1), np.linalg.norm(after, axis=-1))
        rests |= both & (np.linalg.norm(before + after, axis=-1) <= longer / 2)
    moves[around] = solid_there | rests
    return moves


def destination(
    flow: Float[np.ndarray, "h w 2"], threshold: float = 1e-3
) -> Bool[np.ndarray, "h w"]:
    """Mark the pixels that moved content lands on, inside the picture.

    Where a motion enlarges, the area between four neighbours that all move is filled without gaps,
    unless two of them end more than 16 pixels apart. A pixel counts if what lands has a bilinear
    weight on it: the pixels of `flows.geometry.splat`, without the gaps that it leaves.
    """
    height, width, _ = flow.shape
    source = solid(flow, threshold)
    landed = np.zeros((height, width), bool)
    rows, columns = around = box(source)
    source = source[around]
    y, x = np.mgrid[rows, columns]
    goal = np.stack([x, y], axis=-1) + flow[around].astype(np.float64)
    _land(landed, goal[source])

    # Cells of four neighbours: corners [cell, 2 (down), 2 (right), 2 (x, y)].
    whole = source[:-1, :-1] & source[:-1, 1:] & source[1:, :-1] & source[1:, 1:]
    corners = np.stack(
        [
            np.stack([goal[:-1, :-1][whole], goal[:-1, 1:][whole]], axis=1),
            np.stack([goal[1:, :-1][whole], goal[1:, 1:][whole]], axis=1),
        ],
        axis=1,
    )
    stretch = np.maximum(
        np.linalg.norm(np.diff(corners, axis=1), axis=-1).max(axis=(1, 2), initial=0.0),
        np.linalg.norm(np.diff(corners, axis=2), axis=-1).max(axis=(1, 2), initial=0.0),
    )
    for pieces in (2, 4, 8, 16):  # samples along a side, so that none are over a pixel apart
        some = (stretch > pieces / 2) & (stretch <= min(pieces, TEAR))
        for down in np.arange(pieces + 1) / pieces:
            edge = corners[some, 0] * (1 - down) + corners[some, 1] * down
            for right in np.arange(pieces + 1) / pieces:
                _land(landed, edge[:, 0] * (1 - right) + edge[:, 1] * right)
    return landed


def margin(flow: Float[np.ndarray, "h w 2"]) -> float:
    """Default margin of an edit region, in pixels: sqrt(height·width) / 24."""
    return float(np.sqrt(flow.shape[0] * flow.shape[1])) / 24


def box(where: Bool[np.ndarray, "h w"], margin: int = 0) -> tuple[slice, slice]:
    """Rows and columns of the smallest box around what is marked, with a margin; or of none.

    Outside it nothing moves: so cost depends on what moves, not on the picture.
    """
    spans = []
    for axis, length in enumerate(where.shape):
        inside = np.flatnonzero(where.any(axis=1 - axis))
        low, high = (inside[0] - margin, inside[-1] + 1 + margin) if inside.size else (0, 0)
        spans.append(slice(max(0, int(low)), min(length, int(high))))
    return spans[0], spans[1]


def _land(landed: np.ndarray, points: np.ndarray) -> None:
    """Mark, in place, the up to four pixels around each point (x, y)."""
    height, width = landed.shape
    low = np.floor(points + _TOUCH).astype(np.int64)
    high = np.ceil(points - _TOUCH).astype(np.int64)
    for x in (low[:, 0], high[:, 0]):
        for y in (low[:, 1], high[:, 1]):
            inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
            landed[y[inside], x[inside]] = True
