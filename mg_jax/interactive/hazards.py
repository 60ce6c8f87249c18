"""What may go wrong with a motion, quickly enough to be told while one drags."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64

from flows import parsing
from mg_jax.interactive.mesh import Mesh

_SIDE = 256  # longer side of the grid on which objects hide each other
_SLIVER = 0.05  # of the mean area; smaller triangles turn over by nothing that one sees
_HIDDEN = 0.1  # least share of an object that others hide


class Hazards(NamedTuple):
    """What is wrong with where an object goes."""

    folded: Bool[np.ndarray, " t"]  # triangles that turn over
    leaving: float  # share of the object that leaves the picture, 0 to 1
    lines: tuple[str, ...]  # the same in words


def of_object(mesh: Mesh, moved: Float64[np.ndarray, "n 2"], shape: tuple[int, int]) -> Hazards:
    """Find what folds, and what leaves a picture of `shape`, (height, width)."""
    before, after = _areas(mesh.points[mesh.triangles]), _areas(moved[mesh.triangles])
    size = np.abs(before)
    folded = (before * after < 0) & (size > _SLIVER * size.mean() if size.size else False)
    centres = moved[mesh.triangles].mean(axis=1)
    outside = ((centres < 0) | (centres > [shape[1] - 1, shape[0] - 1])).any(axis=-1)
    total = np.abs(before).sum()
    leaving = float(np.abs(before)[outside].sum() / total) if total else 0.0
    lines = []
    if leaving > 0:
        lines.append(f"{parsing.percent(leaving, 0)} of it leaves the picture")
    if folded.any():
        share = float(np.abs(before)[folded].sum() / total)
        lines.append(f"{parsing.percent(share, 0)} of it folds over")
    return Hazards(folded, leaving, tuple(lines))


def hiding(
    objects: Sequence[tuple[Mesh, Float64[np.ndarray, "_ 2"]]], shape: tuple[int, int]
) -> list[str]:
    """Tell, for each object in order, by how much later ones hide it; empty if they do not."""
    import cv2

    factor = _SIDE / max(shape)
    size = tuple(max(1, round(side * factor)) for side in shape)
    above = np.zeros(size, np.uint8)
    told = []
    for mesh, moved in reversed(objects):
        drawn = np.zeros(size, np.uint8)
        ends = np.cumsum(mesh.outlines)
        rings = np.split(moved[: ends[-1]], ends[:-1])
        cv2.fillPoly(drawn, [np.rint(ring * factor).astype(np.int32) for ring in rings], 1)
        hidden = float((drawn & above).sum() / max(1, drawn.sum()))
        told.append(f"others hide {parsing.percent(hidden, 0)} of it" if hidden >= _HIDDEN else "")
        above |= drawn
    return told[::-1]


def _areas(corners: Float64[np.ndarray, "t 3 2"]) -> Float64[np.ndarray, " t"]:
    """Twice the signed areas of triangles."""
    one, other = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return np.asarray(one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0])
