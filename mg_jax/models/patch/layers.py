"""Split what moves into layers, and warp each forward along the flow.

Each pixel lands as the parallelogram that the flow's Jacobian makes of it (forward splatting), so
that what is enlarged has no holes and what shrinks is averaged. Within a layer the flow may fold:
what moves farther is taken to be nearer and lies on top (softmax splatting, Niklaus & Liu 2020),
and parts that the fold has turned over are not visible. A layer that the frame cuts off goes on
`beyond` it.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage

from flows import nearest
from flows.masks import TEAR
from mg_jax.models.patch.beyond import beyond
from mg_jax.models.patch.matting import SEEN, Matte
from mg_jax.models.patch.splatting import Landed, Sums, at, colored, read

_NEARER = 2.0  # pixels; what moves farther by this has e times the weight
_SMOOTH = 0.8  # deviation of the blur that smooths the steps of an enlarged outline, pixels
_ENLARGED = 1.5  # outlines of layers magnified by more are smoothed
_SHRUNK = 0.8  # colours of layers scaled by less are averaged instead of sampled
_FLAT = 0.1  # smallest area, in pixels, that a pixel must land on for its Jacobian to be inverted
_AT_ONCE = 1 << 19  # points splatted at once


def order(moving: Bool[np.ndarray, "H W"]) -> Int[np.ndarray, "H W"]:
    """Label each pixel with its layer, 0 for the background; higher ones lie on top.

    Connected parts are layers. Larger ones lie on top, since they are the picture's subject.
    """
    parts, count = ndimage.label(moving, np.ones((3, 3)))
    sizes = np.bincount(parts.ravel(), minlength=count + 1)[1:]
    rank = np.zeros(count + 1, np.int64)
    rank[1 + np.argsort(sizes, kind="stable")] = 1 + np.arange(count)
    return np.asarray(rank[parts])


def landed(
    cut: Matte, flow: Float[np.ndarray, "H W 2"], order: Int[np.ndarray, "H W"]
) -> Iterator[Landed]:
    """Yield every layer after its motion, the lowest first.

    Before a layer that the frame cuts off comes its continuation. Pixels outside a layer's mask
    that show it (hair, soft rims) move with the mask's nearest pixel, by its flow and Jacobian.
    """
    moving = order > 0
    change = slopes(flow, moving)
    beside = np.where(cut.opacity > SEEN, nearest.value(order, moving), 0)
    for label in np.unique(order[moving]):
        layer = order == label
        continued = None if layer.all() else beyond(cut, flow, layer)
        if continued is not None:
            yield continued
        yield _land(cut, flow, layer, layer | (beside == label), change)


def slopes(
    flow: Float[np.ndarray, "H W 2"], moving: Bool[np.ndarray, "H W"]
) -> Float[np.ndarray, "2 H W 2 2"]:
    """The flow's derivatives by x and y, as backward and as forward differences.

    Only between neighbours that both move and are not torn apart; where that fails on one side, the
    other side's difference is used, and 0 where it fails on both.
    """
    change = np.zeros((2, *moving.shape, 2, 2))
    for column, axis in enumerate((1, 0)):
        step = np.diff(flow.astype(np.float64), axis=axis)
        parted = np.linalg.norm(step + np.eye(2)[column], axis=-1)
        first, last = ((slice(None),) * axis + (part,) for part in (slice(-1), slice(1, None)))
        whole = moving[first] & moving[last] & (parted <= TEAR)
        sides, known = np.zeros((2, *flow.shape)), np.zeros((2, *moving.shape), bool)
        for side, place in enumerate((last, first)):
            sides[side][place], known[side][place] = step * whole[..., None], whole
        for side in (0, 1):
            own = known[side][..., None]
            change[side, ..., column] = np.where(own, sides[side], sides[1 - side])
    return change


def _land(
    cut: Matte,
    flow: Float[np.ndarray, "H W 2"],
    layer: Bool[np.ndarray, "H W"],
    wide: Bool[np.ndarray, "H W"],
    change: Float[np.ndarray, "2 H W 2 2"],
) -> Landed:
    """Warp a layer forward; `wide` is its mask with the pixels beside it that show it."""
    jacobian = change[:, layer].mean(axis=0) + np.eye(2)
    scale = float(np.sqrt(np.median(np.abs(np.linalg.det(jacobian)))))
    shrunk = float(np.median(_singular(jacobian)[1])) < _SHRUNK
    enlarged = scale > _ENLARGED
    if enlarged:  # the smoothed outline may lie outside the mask
        wide = ndimage.binary_dilation(wide, np.ones((3, 3)))
    beside = wide & ~layer
    place = nearest.place(layer)[:, beside]
    flow, change = flow.astype(np.float64), change.copy()
    change[:, beside] = change[:, place[0], place[1]]
    back = (np.argwhere(beside).T - place)[::-1]
    flow[beside] = flow[tuple(place)] + np.einsum(
        "nij,jn->ni", change[:, beside].mean(axis=0), back
    )
    opacity = nearest.value(cut.opacity, wide)  # outside, that of the nearest pixel
    slope = change.mean(axis=0) + np.eye(2)
    rows, columns = np.nonzero(wide)
    moved, change = flow[wide], change[:, wide]
    jacobian = change + np.eye(2)
    turned = np.median(np.linalg.det(jacobian)) < 0
    far = np.linalg.norm(moved, axis=-1)
    nearer = np.exp((far - far.max(initial=0.0)).clip(-600, 0) / _NEARER)
    sums = Sums(layer.shape, 8 if shrunk else 4)
    premultiplied = np.dstack([opacity[..., None] * cut.color, opacity]) if shrunk else None
    # Points dense enough to leave no holes in the most stretched pixels; at least four per pixel.
    longest = np.maximum(*(_singular(side)[0] for side in jacobian))
    dense = np.exp2(np.ceil(np.log2(np.clip(longest, 2, TEAR)))).astype(int)
    for fine in np.unique(dense):
        some = np.nonzero(dense == fine)[0]
        places = (np.arange(fine) + 0.5) / fine - 0.5
        offsets = np.stack(np.meshgrid(places, places), axis=-1).reshape(-1, 2)
        for part in np.array_split(offsets, -(-len(offsets) * some.size // _AT_ONCE)):
            offset_x, offset_y = part[:, :1], part[:, 1:]
            by_x = np.where((offset_x > 0)[..., None], change[1, some, :, 0], change[0, some, :, 0])
            by_y = np.where((offset_y > 0)[..., None], change[1, some, :, 1], change[0, some, :, 1])
            goal = moved[some] + offset_x[..., None] * by_x + offset_y[..., None] * by_y
            area = (1 + by_x[..., 0]) * (1 + by_y[..., 1]) - by_x[..., 1] * by_y[..., 0]
            share = (np.maximum(-area if turned else area, 0) / fine**2).ravel()
            x, y = (columns[some] + offset_x).ravel(), (rows[some] + offset_y).ravel()
            to_x, to_y = x + goal[..., 0].ravel(), y + goal[..., 1].ravel()
            values = [
                x,
                y,
                to_x,
                to_y,
                *(() if premultiplied is None else read(premultiplied, x, y).T),
            ]
            weight = share * np.tile(nearer[some], len(part))
            sums.add(to_x, to_y, share, weight, values)
    covered, mean = sums.covered(), sums.means()
    hit = covered > 0
    origin = nearest.value(_centred(mean[..., :2], mean[..., 2:4], slope, wide), hit)
    # Points in the outermost pixels may lie outside their centres.
    origin = np.clip(origin, 0, np.array(layer.shape[::-1]) - 1)
    if shrunk:
        color = mean[..., 4:7] / np.maximum(mean[..., 7:], 1e-6)
        return Landed(covered * mean[..., 7], origin.astype(np.float32), color)
    if not enlarged:
        return colored(cut.color, opacity, covered, origin)
    # Make the edge as sharp as it was before.
    soft = ndimage.gaussian_filter(np.where(wide, cut.opacity, 0), _SMOOTH)
    soft = at(soft[..., None], origin, hit)[..., 0]
    soft = np.clip((soft - 0.5) * 2 * scale + 0.5, 0, 1)
    return Landed(np.where(hit, soft, 0), origin.astype(np.float32), at(cut.color, origin, hit))


def _centred(
    origin: Float[np.ndarray, "H W 2"],
    goal: Float[np.ndarray, "H W 2"],
    slope: Float[np.ndarray, "H W 2 2"],
    layer: Bool[np.ndarray, "H W"],
) -> Float[np.ndarray, "H W 2"]:
    """Correct each origin to the point that lands exactly on the pixel's centre.

    The averaged origins are biased: weights prefer what moves farther, and at an edge half of the
    neighbours is missing. `goal` is where the average lands. Where the corrected point lies outside
    the layer, the average is kept.
    """
    last = np.array(origin.shape[1::-1]) - 1
    column, row = np.moveaxis(np.clip(np.rint(origin), 0, last).astype(np.int64), -1, 0)
    (a, b), (c, d) = np.moveaxis(slope[row, column], (-2, -1), (0, 1))
    x, y = np.moveaxis(goal - np.indices(origin.shape[:2])[::-1].transpose(1, 2, 0), -1, 0)
    area = a * d - b * c
    flat = np.abs(area) < _FLAT
    back = np.stack([d * x - b * y, a * y - c * x], axis=-1) / np.where(flat, 1, area)[..., None]
    middle = origin - np.clip(back, -1, 1)
    own = read(layer[..., None].astype(np.float64), middle[..., 0], middle[..., 1])
    return np.where((own > 0.999) & ~flat[..., None], middle, origin)


def _singular(
    matrix: Float[np.ndarray, "n 2 2"],
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """The larger and the smaller singular value of 2x2 matrices."""
    square = np.square(matrix).sum(axis=(-2, -1))
    rest = np.sqrt(np.maximum(np.square(square) - 4 * np.square(np.linalg.det(matrix)), 0))
    return np.sqrt((square + rest) / 2), np.sqrt(np.maximum(square - rest, 0) / 2)
