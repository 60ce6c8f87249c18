"""Where the moving part hangs together with what rests, the motion fades out like an elastic sheet.

A mask's border runs along an object's rim, or through one thing: a face in its mane. At a rim the
colours change, and nothing outside follows. A part that looks like what is round it hangs together
with that: along its border lies an elastic sheet (a membrane, Laplace's equation), which moves with
the part on its inner side and rests on its outer one.
"""

import numpy as np
from jaxtyping import Bool, Float, Float32
from scipy import ndimage, sparse
from scipy.sparse.linalg import splu

from flows import nearest
from flows.masks import solid
from mg_jax import images

_CELL = 4  # pixels a side: the sheet is found on a coarse grid
_SMALL = 100  # cells a side of a smaller picture, whose own cells are smaller
_OUTSIDE, _INSIDE = 0.5, 1.0  # the sheet's width on either side of the border, of the jump there
_FARTHEST = 0.2  # of the picture's size
_CORE = 0.5  # of a part's depth: deeper the sheet does not reach, there the part is held
_DEEP = 1 / 32  # of the picture's size: so deep inside a part its colours are its own
_EDGE = 0.3  # a difference of colours, in [-1, 1]: more is an edge
_ALONG = 1.5  # cells: deviation along the border in which the most count
_FEW = 0.3  # a part of whose border less than this hangs together is an object of its own
_SHORT = 0.8  # of a part's inner radius: it moves by no more on the mean
_LEAST = 0.5  # cells: jumps below are no tear
_STILL = 0.5  # pixels: less of the sheet's motion is none
_NOISE = 0.15  # of the longest motion: shorter ones of an estimated flow may be noise
_GROUND = 0.05  # a picture of which less than this share rests has no ground


def faded(
    photo: Float[np.ndarray, "H W 3"], flow: Float[np.ndarray, "H W 2"]
) -> Float32[np.ndarray, "H W 2"]:
    """The flow, gone on into what rests where that hangs together with what moves.

    `photo` is in [-1, 1]. Objects of their own move as the flow says. An estimated flow, which
    rests nowhere, rests where it is no more than noise.
    """
    flow = _settled(flow)
    moving = solid(flow)
    if not moving.any() or moving.all():
        return flow
    size = float(np.sqrt(moving.size))
    cell = min(_CELL, max(1, round(size / _SMALL)))
    shape = tuple(max(1, length // cell) for length in moving.shape)
    rows, columns = (
        np.minimum((np.arange(n) + 0.5) * length / n, length - 1).astype(np.int64)
        for n, length in zip(shape, moving.shape, strict=True)
    )
    held = moving[rows[:, None], columns[None]]
    motion = flow[rows[:, None], columns[None]].astype(np.float64)
    small = images.box(photo, shape)
    joined = _joined(small, held, motion / cell)
    if not joined.any():
        return flow
    jump = np.linalg.norm(nearest.value(motion, held), axis=-1)
    jump = np.minimum(nearest.value(jump, joined), _FARTHEST * size)
    width = np.where(held, np.minimum(_INSIDE * jump / cell, _core(held)), _OUTSIDE * jump / cell)
    band = nearest.distance(joined) < width
    sheet = _sheet(motion, held, band)
    large = np.stack(
        [
            ndimage.zoom(
                one, np.divide(moving.shape, shape), order=1, mode="nearest", grid_mode=True
            )
            for one in np.moveaxis(sheet, -1, 0)
        ],
        axis=-1,
    )
    large[np.linalg.norm(large, axis=-1) < _STILL] = 0
    # Between the sheet's cells and those that are held the sheet is interpolated, too.
    between = ndimage.binary_dilation(held & band, np.ones((3, 3)))
    inner = moving & ~_enlarged(between, moving.shape)
    return np.where(inner[..., None], flow, large).astype(np.float32)


def _core(held: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """How far from its border the core of each part begins: it moves, however far that is."""
    parts, count = ndimage.label(held)
    deepest = ndimage.maximum(nearest.distance(~held), parts, np.arange(1, count + 1))
    return np.asarray(np.append(0.0, _CORE * np.asarray(deepest))[parts])


def _enlarged(cells: Bool[np.ndarray, "h w"], shape: tuple[int, ...]) -> Bool[np.ndarray, "H W"]:
    """The pixels of cells."""
    rows, columns = (np.arange(n) * m // n for n, m in zip(shape, cells.shape, strict=True))
    return np.asarray(cells[rows[:, None], columns[None]])


def _settled(flow: Float[np.ndarray, "H W 2"]) -> Float32[np.ndarray, "H W 2"]:
    """An estimated flow of something that moves before a ground, 0 on the ground."""
    flow = flow.astype(np.float32)
    length = np.linalg.norm(flow, axis=-1)
    slow = length < _NOISE * np.quantile(length, 0.99)
    slow &= ~ndimage.binary_fill_holes(~slow)
    if solid(flow).mean() <= 1 - _GROUND or not slow.any():
        return flow
    if np.linalg.norm(flow[slow].mean(axis=0)) > 0.5 * np.sqrt(np.square(length[slow]).mean()):
        return flow  # a camera that moves, not noise
    return np.where(slow[..., None], 0, flow).astype(np.float32)


def _joined(
    photo: Float[np.ndarray, "h w 3"],
    held: Bool[np.ndarray, "h w"],
    motion: Float[np.ndarray, "h w 2"],
) -> Bool[np.ndarray, "h w"]:
    """Mark the resting cells beside parts that look like what is round them; motion in cells."""
    size = float(np.sqrt(held.size))
    smooth = ndimage.gaussian_filter(photo, (1, 1, 0))
    depth, away = nearest.distance(~held), nearest.distance(held)
    ring = (away > 0) & (away < 1.5)
    jump = np.linalg.norm(nearest.value(motion, held), axis=-1)
    parts, count = ndimage.label(held)
    part = nearest.value(parts, held)

    # Deep on both sides, as masks are loose.
    inner = (depth >= _DEEP * size) & (depth < _DEEP * size + 2)
    outer = (away >= _DEEP * size / 2) & (away < _DEEP * size / 2 + 2)
    if not (inner.any() and outer.any()):
        return np.zeros_like(held)
    apart = np.linalg.norm(nearest.value(smooth, inner) - nearest.value(smooth, outer), axis=-1)
    alike = ndimage.gaussian_filter(np.where(ring, apart < _EDGE, 0.0), _ALONG)
    seen = ring & (alike > 0.5 * ndimage.gaussian_filter(ring.astype(float), _ALONG))
    whole = np.bincount(part[ring], jump[ring], count + 1)
    share = np.bincount(part[seen], jump[seen], count + 1) / np.maximum(whole, 1e-9)
    # What goes farther than it reaches is no part of what stays.
    radius = np.asarray(ndimage.maximum(depth, parts, np.arange(count + 1)))
    near = whole <= _SHORT * radius * np.bincount(part[ring], None, count + 1)
    return np.asarray(ring & (jump > _LEAST) & ((share > _FEW) & near)[part])


def _sheet(
    motion: Float[np.ndarray, "h w 2"],
    held: Bool[np.ndarray, "h w"],
    band: Bool[np.ndarray, "h w"],
) -> Float[np.ndarray, "h w 2"]:
    """The sheet's displacement at every cell."""
    index = np.full(held.shape, -1)
    cells = np.argwhere(band)
    index[tuple(cells.T)] = np.arange(len(cells))
    count = len(cells)
    deep = np.logical_and(held, ~band)
    diagonal = np.full(count, 1e-6)  # a cell with no neighbour rests
    wanted = np.zeros((count, 2))
    rows, columns, values = [np.arange(count)], [np.arange(count)], [diagonal]
    for step in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        beside = cells + step
        inside = np.all((beside >= 0) & (beside < held.shape), axis=-1)
        there = tuple(np.where(inside[:, None], beside, cells).T)
        diagonal += inside
        fixed = inside & deep[there]
        wanted += fixed[:, None] * motion[there]
        linked = np.nonzero(inside & np.asarray(band)[there])[0]
        rows.append(linked)
        columns.append(index[there][linked])
        values.append(np.full(linked.size, -1.0))
    system = sparse.csc_array(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))),
        shape=(count, count),
    )
    sheet = np.where(held[..., None], motion, 0.0)
    sheet[band] = splu(system).solve(wanted)
    return sheet
