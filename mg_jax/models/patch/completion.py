"""Fill a hole in a picture by continuing what is around it.

Photos repeat themselves at few offsets: the most frequent ones between similar patches. Each
missing cell is copied from one of these offsets, chosen so that it fits the known cells around and
a rough layout of the hole, and that seams between neighbours with different offsets show least (He
& Sun 2012, "Statistics of Patch Offsets for Image Completion").
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.lib.stride_tricks import sliding_window_view
from scipy import ndimage
from scipy.spatial import cKDTree

from flows import nearest
from mg_jax.models.patch.graph_cut import labels
from mg_jax.models.patch.layout import layout
from mg_jax.models.patch.poisson import copied, tones

_RADIUS = 3  # of the patches compared, cells
_COMPONENTS = 24  # principal components of the patches
_NEIGHBOURS = 60  # similar patches looked at; the first that is far enough counts
_FAR = 1 / 15  # least distance, as a share of the picture's size: nearer patches overlap
_MOST = 60  # offsets
_BLUR = 1.4  # of the votes for offsets, cells
_APART = 7  # window in which an offset must be the largest peak, cells
_UNKNOWN = 1e3  # cost of copying an unknown cell: larger than any sum of colour differences
_CHANCE = 0.3  # mean of the random extra cost of an offset, per cell
_LAYOUT = 1.0  # weight of a colour difference to the layout
_PULL = 0.3  # cost of an offset as long as the picture's size, per cell
_FREE = 1e-6  # pull of tones to none: only what touches nothing known keeps its own
_EDGE = 2.0  # weight of a seam at the hole's edge, where the other side is fixed


class Filling(NamedTuple):
    """The known cell that each cell is copied from, and a colour correction."""

    offset: Int[np.ndarray, "h w 2"]  # (rows, columns) from here to the cell that is copied
    tone: Float[np.ndarray, "h w 3"]  # added to the copy, so that no seam shows


def complete(
    picture: Float[np.ndarray, "h w c"],
    known: Bool[np.ndarray, "h w"],
    hole: Bool[np.ndarray, "h w"],
    drawn: np.random.Generator | None = None,
) -> Filling:
    """Continue the known cells into a hole.

    The picture holds colours in [-1, 1], and after them whatever else copies have to fit.

    Finds the best filling, or, with a generator `drawn`, a random one: offsets then have random
    extra costs (perturb and MAP, Papandreou & Yuille 2011).

    Only known cells are copied; known cells copy themselves. A hole wider than the offsets is
    filled from its rim inwards: filled cells count as known then. Cells that are neither known nor
    in the hole, and those that no offset reaches, copy the nearest known cell.
    """
    there = nearest.place(known) - np.indices(known.shape)
    offset = np.moveaxis(there, 0, -1).astype(np.int64)
    tone = np.zeros((*known.shape, 3))
    offsets = dominant(picture, known, hole) if hole.any() else np.zeros((0, 2), np.int64)
    cells = np.argwhere(hole)
    rough = layout(picture, known, hole) if len(offsets) else picture
    while len(cells) and len(offsets):
        _, there = copied(picture, known, cells[:, None] + offsets)
        served = there.any(axis=1)
        if not served.any():
            break
        now, cells = cells[served], cells[~served]
        chosen = offsets[_choice(picture, known, rough, now, offsets, drawn)]
        at, source = tuple(now.T), tuple((now + chosen).T)
        step = np.zeros_like(offset)
        step[at] = chosen
        added = tones(picture[..., :3], known, now, step, np.zeros((len(now), 3)), _FREE)
        offset[at] = chosen + offset[source]
        tone[at] = added + tone[source]
        picture, known = picture.copy(), known.copy()
        picture[at], known[at] = picture[source], True
        picture[(*at, slice(0, 3))] += added
    return Filling(offset, tone)


def dominant(
    picture: Float[np.ndarray, "h w c"],
    known: Bool[np.ndarray, "h w"],
    hole: Bool[np.ndarray, "h w"],
) -> Int[np.ndarray, "n 2"]:
    """The most frequent offsets between similar known patches around a hole, at most 60."""
    height, width = known.shape
    side = 2 * _RADIUS + 1
    whole = ndimage.binary_erosion(known, np.ones((side, side)), border_value=0)
    places = np.argwhere(whole & _around(hole))
    if len(places) < 2:
        return np.zeros((0, 2), np.int64)
    corners = tuple((places - _RADIUS).T)
    patches = sliding_window_view(picture, (side, side), axis=(0, 1))[corners]
    features = _compressed(patches.reshape(len(places), -1))
    asked = slice(None, None, 2)  # every other patch is enough
    _, alike = cKDTree(features).query(features[asked], min(len(places), _NEIGHBOURS), eps=1.0)
    steps = places[alike] - places[asked, None]
    far = np.linalg.norm(steps, axis=-1) >= _FAR * np.sqrt(height * width)
    steps = steps[np.arange(len(steps)), far.argmax(axis=1)][far.any(axis=1)]
    votes = np.zeros((2 * height - 1, 2 * width - 1))
    np.add.at(votes, tuple((steps + known.shape - 1).T), 1)
    votes = ndimage.gaussian_filter(votes, _BLUR, mode="constant")
    peaks = np.argwhere((votes == ndimage.maximum_filter(votes, _APART)) & (votes > 0))
    order = np.argsort(-votes[tuple(peaks.T)], kind="stable")[:_MOST]
    return np.asarray(peaks[order] - np.array(known.shape) + 1)


def _choice(
    picture: Float[np.ndarray, "h w c"],
    known: Bool[np.ndarray, "h w"],
    rough: Float[np.ndarray, "h w c"],
    cells: Int[np.ndarray, "n 2"],
    offsets: Int[np.ndarray, "o 2"],
    drawn: np.random.Generator | None,
) -> Int[np.ndarray, " n"]:
    """Choose each cell's offset, as an index into `offsets`."""
    colors, there = copied(picture, known, cells[:, None] + offsets)
    cost = np.where(there, 0.0, _UNKNOWN)
    cost += _LAYOUT * np.linalg.norm(colors - rough[tuple(cells.T)][:, None], axis=-1)
    cost += _PULL * np.linalg.norm(offsets, axis=-1) / np.sqrt(known.size)
    if drawn is not None:
        cost += _CHANCE * drawn.exponential(size=len(offsets))
    index = np.full(known.shape, -1)
    index[tuple(cells.T)] = np.arange(len(cells))
    pairs = []
    for step in np.array([[0, 1], [1, 0], [0, -1], [-1, 0]]):
        beside = cells + step
        inside = ((beside >= 0) & (beside < known.shape)).all(axis=-1)
        beside = np.where(inside[:, None], beside, cells)
        at = tuple(beside.T)
        if step.min() == 0:  # each pair once
            joined = inside & (index[at] >= 0)
            pairs.append(np.stack([np.nonzero(joined)[0], index[at][joined]], axis=-1))
        on, _ = copied(picture, known, beside[:, None] + offsets)
        misfit = np.linalg.norm(on - picture[at][:, None], axis=-1)
        cost += _EDGE * (inside & known[at])[:, None] * misfit
    return labels(cost, colors, np.concatenate(pairs))


def _compressed(patches: Float[np.ndarray, "n D"]) -> Float[np.ndarray, "n d"]:
    """Coordinates on the leading principal components."""
    patches = patches - patches.mean(axis=0)
    directions = np.linalg.eigh(patches.T @ patches)[1]  # by rising variance
    return np.asarray(patches @ directions[:, -_COMPONENTS:])


def _around(hole: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Mask of the hole's bounding box, enlarged three times along each side."""
    spans = []
    for axis in (0, 1):
        inside = np.nonzero(hole.any(axis=1 - axis))[0]
        length = inside[-1] - inside[0] + 1
        spans.append(slice(max(0, inside[0] - length), inside[-1] + length + 1))
    box = np.zeros_like(hole)
    box[tuple(spans)] = True
    return box
