"""Adapt flow files as people have them to a photo: holes, another size, backward, one object.

What is done is said in one line each; where the meaning is not sure, the file is refused.
"""

import os
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32

from flows import files, fitting, masks, nearest, parsing, reversing

_CLOSE = 1 / 64  # distance, as a share of the picture's size, from which on nothing is known
_ENOUGH = 0.5  # least share of pixels that are known, or close to known ones


class Adapted(NamedTuple):
    """A forward flow of the photo's size, and what was done to it."""

    flow: Float32[np.ndarray, "h w 2"]  # pixels
    notes: tuple[str, ...] = ()


def read(
    path: str | os.PathLike[str],
    shape: tuple[int, int],
    within: Bool[np.ndarray, "h w"] | None = None,
    *,
    backward: bool = False,
) -> Adapted:
    """Read a flow file for a photo.

    Args:
        path: the file; its array may be [H, W, 2], [2, H, W], or either in a batch of one.
        shape: (height, width) of the photo; a flow of the same proportions is resized.
        within: what moves, all else rests; by default everything that the flow moves.
        backward: the flow says where each pixel of the result comes from.

    Raises:
        ValueError: as for `files.read`; too little of it is known; other proportions.
    """
    sparse, stored = files.read_holes(path)
    flow, notes = sparse.flow, []
    if flow.shape != stored[-3:]:
        notes.append(f"{path}: holds {list(stored)}; read as [2, height, width]")
    if not fitting.agrees(flow.shape, shape):
        raise ValueError(
            f"{path}: {flow.shape[1]}x{flow.shape[0]} pixels; expected {shape[1]}x{shape[0]}, the"
            " photo's size, or the same proportions"
        )
    if not sparse.known.all():
        counts = None if within is None or backward else fitting.nearest(within, *flow.shape[:2])
        flow, note = _whole(sparse, counts, str(path))
        notes.append(note)
    if flow.shape[:2] != shape:
        notes.append(
            f"{path}: {flow.shape[1]}x{flow.shape[0]} pixels; resized to the photo's"
            f" {shape[1]}x{shape[0]}, its motions in proportion"
        )
        flow = fitting.fit(flow, *shape)
    if backward:
        flow = reversing.forward(flow)
        notes.append(f"{path}: is a backward flow; turned into a forward one")
    if within is not None:
        moving = masks.moving(flow)
        dropped = (moving & ~within).sum() / max(1, moving.sum())
        flow = np.where(within[..., None], flow, np.float32(0))
        if dropped:
            share = parsing.percent(float(dropped), 0)
            notes.append(f"{path}: {share} of what it moves lies outside the mask, and rests")
    return Adapted(flow, tuple(notes))


def _whole(
    sparse: files.Sparse, counts: Bool[np.ndarray, "h w"] | None, name: str
) -> tuple[Float32[np.ndarray, "h w 2"], str]:
    """Fill the unknown pixels; refuse it if where `counts` most are far from any known one."""
    flow, known = sparse
    asked = np.ones_like(known) if counts is None else counts
    close = nearest.distance(known) <= max(1.0, _CLOSE * np.sqrt(known.size))
    share = parsing.percent(float((~known).mean()), 0)
    if not known.any() or close[asked].mean() < _ENOUGH:
        raise ValueError(
            f"{name}: {share} of its pixels are unknown, most of them far from any known one;"
            " expected a motion for every pixel, 0 where nothing moves"
        )
    said = f"{name}: {share} of its pixels are unknown; they move as the nearest known ones"
    return nearest.value(flow, known), said
