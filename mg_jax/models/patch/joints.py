"""Let the motion fade out at joints, where the moving part is connected with what rests.

A mask's border runs along an object's rim, or through one thing, as between a face and its mane. At
a rim the colours change, and nothing outside follows. A part that looks like its surroundings is
taken to be connected with them: along its border the motion is that of an elastic membrane
(Laplace's equation, called the sheet below), which moves with the part on its inner side and rests
on its outer side. The same holds where a border cuts through a limb, as a shoulder or a trunk, near
the point round which it turns: the motion jumps little there, and the colours are alike.
"""

import numpy as np
from jaxtyping import Bool, Float, Float32
from scipy import ndimage, sparse
from scipy.sparse.linalg import splu

from flows import nearest
from flows.masks import solid
from mg_jax import images

_CELL = 4  # side of the coarse grid's cells, on which the sheet is solved, in pixels
_SMALL = 100  # least cells along a picture's mean side; cells of small pictures are smaller
_OUTSIDE, _INSIDE = 0.5, 1.0  # the sheet's width outside and inside the border, over the jump there
_BAND = 1 / 25  # its least width, as a share of the picture's size
_FARTHEST = 0.2  # largest jump that counts for it, as a share of the picture's size
_CORE = 0.5  # share of a part's depth that the sheet may reach; the core moves as the flow says
_DEEP = 1 / 32  # depth, as a share of the picture's size, at which a part shows its own colours
_BESIDE = 2  # cells from the border at which a limb's colours are compared
_SIDES = 6.0  # deviation, in cells along the border, of the window that shows what is beside a limb
_BRIEF = 1 / 32  # the largest jump at a limb's joint, as a share of the picture's size
_EDGE = 0.3  # a larger difference of colours in [-1, 1] is an edge
_ALONG = 1.5  # deviation, in cells along the border, of the blur for a majority vote
_FEW = 0.3  # least connected share of a part's border; with less it is an object of its own
_SHORT = 0.8  # largest mean motion of a connected part, over its inner radius
_LEAST = 0.5  # cells; smaller jumps of the motion do not matter
_SMOOTH = 1 / 64  # deviation of the blur of a connected part's motion, over the picture's size
_STILL = 0.5  # pixels; the sheet's smaller motions are set to 0
_NOISE = 0.15  # share of the longest motion, below which an estimated flow may be noise
_CERTAIN = 1 / 3  # the share that a part of the picture must reach somewhere, to be no noise
_GROUND = 0.05  # least share of a picture at rest for it to have a background


def faded(
    photo: Float[np.ndarray, "H W 3"], flow: Float[np.ndarray, "H W 2"]
) -> Float32[np.ndarray, "H W 2"]:
    """Extend the flow into resting parts that are connected with moving ones, fading to 0.

    `photo` is in [-1, 1]. Separate objects move as the flow says. An estimated flow, which is
    nowhere exactly 0, is set to 0 where it is only noise.
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
    joined, whole = _joined(small, held, motion / cell)
    if not joined.any():
        return flow
    jump = np.linalg.norm(nearest.value(motion, held), axis=-1)
    jump = np.minimum(nearest.value(jump, joined), _FARTHEST * size)
    broad = np.maximum(np.where(held, _INSIDE, _OUTSIDE) * jump, _BAND * size) / cell
    width = np.where(held, np.minimum(broad, _core(held)), broad)
    band = nearest.distance(joined) < width
    sheet = _sheet(motion, held, band)
    large = images.magnified(sheet, moving.shape)
    large[np.linalg.norm(large, axis=-1) < _STILL] = 0
    # The sheet is also interpolated between its own cells and those beside them.
    near = _enlarged(ndimage.binary_dilation(band, np.ones((3, 3))), moving.shape)
    between = ndimage.binary_dilation(held & band, np.ones((3, 3)))
    near &= ~moving | _enlarged(between, moving.shape)
    joint = np.where(near[..., None], large, flow)
    parts, _ = ndimage.label(moving)
    numbers = parts[rows[:, None], columns[None]]
    part = np.isin(parts, numbers[whole])
    return np.where(part[..., None], _smooth(joint, part | near), joint).astype(np.float32)


def _smooth(
    flow: Float[np.ndarray, "H W 2"], connected: Bool[np.ndarray, "H W"]
) -> Float[np.ndarray, "H W 2"]:
    """Blur the flow of what hangs together: an estimated one has blocks, which tear it."""
    blur = _SMOOTH * np.sqrt(connected.size)
    share = connected[..., None].astype(np.float64)
    total, weight = (ndimage.gaussian_filter(x, (blur, blur, 0)) for x in (share * flow, share))
    return np.asarray(total / np.maximum(weight, 1e-9))


def _core(held: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Distance from its border at which each part's core begins, in cells; 0 outside the parts."""
    parts, count = ndimage.label(held)
    deepest = ndimage.maximum(nearest.distance(~held), parts, np.arange(1, count + 1))
    return np.asarray(np.append(0.0, _CORE * np.asarray(deepest))[parts])


def _enlarged(cells: Bool[np.ndarray, "h w"], shape: tuple[int, ...]) -> Bool[np.ndarray, "H W"]:
    """Enlarge a mask of cells to pixels."""
    rows, columns = (np.arange(n) * m // n for n, m in zip(shape, cells.shape, strict=True))
    return np.asarray(cells[rows[:, None], columns[None]])


def _settled(flow: Float[np.ndarray, "H W 2"]) -> Float32[np.ndarray, "H W 2"]:
    """Set an estimated flow to 0 on the background, if there is one; other flows are unchanged."""
    flow = flow.astype(np.float32)
    length = np.linalg.norm(flow, axis=-1)
    slow = length < _NOISE * np.quantile(length, 0.99)
    slow &= ~ndimage.binary_fill_holes(~slow)
    parts, count = ndimage.label(~slow, np.ones((3, 3)))
    longest = np.append(0.0, ndimage.maximum(length, parts, np.arange(1, count + 1)))
    slow |= (longest < _CERTAIN * np.quantile(length, 0.99))[parts]
    if solid(flow).mean() <= 1 - _GROUND or not slow.any():
        return flow
    if np.linalg.norm(flow[slow].mean(axis=0)) > 0.5 * np.sqrt(np.square(length[slow]).mean()):
        return flow  # a camera that moves, not noise
    return np.where(slow[..., None], 0, flow).astype(np.float32)


def _joined(
    photo: Float[np.ndarray, "h w 3"],
    held: Bool[np.ndarray, "h w"],
    motion: Float[np.ndarray, "h w 2"],
) -> tuple[Bool[np.ndarray, "h w"], Bool[np.ndarray, "h w"]]:
    """Mark the resting cells at joints, and the parts that are connected as a whole, not by a limb.

    `motion` is in cells.
    """
    size = float(np.sqrt(held.size))
    smooth = ndimage.gaussian_filter(photo, (1, 1, 0))
    depth, away = nearest.distance(~held), nearest.distance(held)
    ring = (away > 0) & (away < 1.5)
    jump = np.linalg.norm(nearest.value(motion, held), axis=-1)
    parts, count = ndimage.label(held)
    part = nearest.value(parts, held)

    # Colours are compared at some depth on both sides, as masks are imprecise.
    inner = (depth >= _DEEP * size) & (depth < _DEEP * size + 2)
    outer = (away >= _DEEP * size / 2) & (away < _DEEP * size / 2 + 2)
    if not (inner.any() and outer.any()):
        return np.zeros_like(held), np.zeros_like(held)
    apart = np.linalg.norm(nearest.value(smooth, inner) - nearest.value(smooth, outer), axis=-1)
    alike = ndimage.gaussian_filter(np.where(ring, apart < _EDGE, 0.0), _ALONG)
    seen = ring & (alike > 0.5 * ndimage.gaussian_filter(ring.astype(float), _ALONG))
    whole = np.bincount(part[ring], jump[ring], count + 1)
    share = np.bincount(part[seen], jump[seen], count + 1) / np.maximum(whole, 1e-9)
    # A part that moves farther than its own radius is not connected.
    radius = np.asarray(ndimage.maximum(depth, parts, np.arange(count + 1)))
    near = whole <= _SHORT * radius * np.bincount(part[ring], None, count + 1)
    limbs = _limbs(smooth, depth, away, ring) & (jump < _BRIEF * size)
    limbs = ndimage.binary_dilation(limbs, np.ones((3, 3)), iterations=_BESIDE)
    connected = (share > _FEW) & near
    return ring & (jump > _LEAST) & (connected[part] | limbs), held & connected[parts]


def _limbs(
    smooth: Float[np.ndarray, "h w 3"],
    depth: Float[np.ndarray, "h w"],
    away: Float[np.ndarray, "h w"],
    ring: Bool[np.ndarray, "h w"],
) -> Bool[np.ndarray, "h w"]:
    """Mark where the border cuts a limb: colours go on across it, but not along it, outside."""
    inner, outer = ((side >= _BESIDE) & (side < _BESIDE + 1) for side in (depth, away))
    if not (inner.any() and outer.any()):
        return np.zeros_like(ring)
    color = nearest.value(smooth, outer)
    alike = np.linalg.norm(nearest.value(smooth, inner) - color, axis=-1) < _EDGE
    others = (ring & ~alike)[..., None].astype(np.float64)
    share, total = (
        ndimage.gaussian_filter(values, (_SIDES, _SIDES, 0)) for values in (others, others * color)
    )
    unlike = np.linalg.norm(color - total / np.maximum(share, 1e-9), axis=-1) > 2 * _EDGE
    return np.asarray(ring & alike & unlike)


def _sheet(
    motion: Float[np.ndarray, "h w 2"],
    held: Bool[np.ndarray, "h w"],
    band: Bool[np.ndarray, "h w"],
) -> Float[np.ndarray, "h w 2"]:
    """Solve for the sheet in `band`; elsewhere the motion where `held`, and 0."""
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
