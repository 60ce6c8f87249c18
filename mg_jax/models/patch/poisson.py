"""Poisson blending of pieces copied from elsewhere (Pérez, Gangnet & Blake 2003).

Solves the discrete Poisson equation over the copied cells: inside a piece it keeps the copy's own
gradients, across a seam the mean of the gradients with which both pieces would continue; the known
cells are fixed.
"""

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse
from scipy.sparse.linalg import cg

_STEPS = np.array([[0, 1], [1, 0], [0, -1], [-1, 0]])
_CLOSE = 1e-4  # misfit of the equations, as a root mean square, at which the solver stops


def tones(
    picture: Float[np.ndarray, "h w 3"],
    known: Bool[np.ndarray, "h w"],
    cells: Int[np.ndarray, "n 2"],
    offset: Int[np.ndarray, "h w 2"],
    rough: Float[np.ndarray, "n 3"],
    pull: float,
) -> Float[np.ndarray, "n 3"]:
    """Colours to add to each of `cells`, copied from the known cells at their `offset`.

    They are drawn to the `rough` ones with a strength `pull` > 0, and so differ from them over
    about 1/√pull cells only.
    """
    count = len(cells)
    index = np.full(known.shape, -1)
    index[tuple(cells.T)] = np.arange(count)
    own = offset[tuple(cells.T)]
    copy, _ = copied(picture, known, cells + own)
    rows, columns, values = [np.arange(count)], [np.arange(count)], [np.full(count, pull)]
    wanted = pull * rough
    for step in _STEPS:
        beside = cells + step
        inside = ((beside >= 0) & (beside < known.shape)).all(axis=-1)
        beside = np.where(inside[:, None], beside, cells)
        at = tuple(beside.T)
        pinned = inside & known[at]
        joined = inside & (index[at] >= 0)
        theirs = np.where(pinned[:, None], 0, offset[at])
        value, _ = copied(picture, known, beside + theirs)
        on, on_known = copied(picture, known, beside + own)
        back, back_known = copied(picture, known, cells + theirs)
        back_known &= ~pinned  # only between two copied cells
        continued = on_known[:, None] * (copy - on) + back_known[:, None] * (back - value)
        gradient = continued / np.maximum(1, on_known.astype(int) + back_known)[:, None]
        linked = np.nonzero(pinned & on_known | joined)[0]
        wanted[linked] += (gradient - copy + value)[linked]
        rows += [linked, np.nonzero(joined)[0]]
        columns += [linked, index[at][joined]]
        values += [np.ones(len(linked)), np.full(int(joined.sum()), -1.0)]
    system = sparse.csr_array(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))),
        shape=(count, count),
    )
    scaled, close = sparse.diags_array(1 / system.diagonal()), _CLOSE * np.sqrt(count)
    solved = [
        cg(system, channel, first, rtol=0, atol=close, M=scaled)[0]
        for channel, first in zip(wanted.T, rough.T, strict=True)
    ]
    return np.stack(solved, axis=-1)


def copied(
    picture: Float[np.ndarray, "h w c"],
    known: Bool[np.ndarray, "h w"],
    places: Int[np.ndarray, "*n 2"],
) -> tuple[Float[np.ndarray, "*n c"], Bool[np.ndarray, "*n"]]:
    """Colours at places, clamped to the picture, and whether each place is a known cell."""
    clipped = np.clip(places, 0, np.array(known.shape) - 1)
    at = (clipped[..., 0], clipped[..., 1])
    return picture[at], (clipped == places).all(axis=-1) & known[at]
