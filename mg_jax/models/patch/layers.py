"""Split what moves into layers, and warp each forward along the flow.

Each pixel lands as the parallelogram that the flow's Jacobian makes of it (forward splatting), so
that what is enlarged has no holes and what shrinks is averaged; `flows.geometry.splat` puts it down
as a point, quickly and differentiably.
Within a layer the flow may fold: what moves farther is taken to be nearer and lies on top (softmax
splatting, Niklaus & Liu 2020), and parts that the fold has turned over are not visible. A layer
that the frame cuts off is continued where the motion brings the cut inside: repeated, if shifted
along the frame it looks at a distance from the frame as it does there, as bars and walls do, or
else mirrored.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage

from flows import nearest
from flows.masks import TEAR
from mg_jax.models.patch.matting import SEEN, Matte

# Splatting blurs an edge over a pixel; covered shares from the first to the second become 0 to 1.
_EDGE = 0.25, 0.75
_NEARER = 2.0  # pixels; what moves farther by this has e times the weight
_SMOOTH = 0.8  # deviation of the blur that smooths the steps of an enlarged outline, pixels
_ENLARGED = 1.5  # outlines of layers magnified by more are smoothed
_SHRUNK = 0.8  # colours of layers scaled by less are averaged instead of sampled
_FLAT = 0.1  # smallest area, in pixels, that a pixel must land on for its Jacobian to be inverted
_AT_ONCE = 1 << 19  # points splatted at once
_SEAM = 4  # columns at the frame that are compared
_FITS = 0.1  # mean squared difference there up to which a layer is repeated; see `_shift`
_FARTHEST = 0.125  # how far a layer is continued beyond the frame, as a share of the picture's size


class Landed(NamedTuple):
    """A layer after its motion."""

    covered: Float[np.ndarray, "H W"]  # share of each pixel that the layer covers
    origin: Float[np.ndarray, "H W 2"]  # (x, y) in the photo; where nothing lands, the nearest's
    color: Float[np.ndarray, "H W 3"]  # where it covers anything


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
        beyond = None if layer.all() else _beyond(cut, flow, layer)
        if beyond is not None:
            yield beyond
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
    sums = _Sums(layer.shape, 8 if shrunk else 4)
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
                *(() if premultiplied is None else _read(premultiplied, x, y).T),
            ]
            weight = share * np.tile(nearer[some], len(part))
            sums.add(to_x, to_y, share, weight, values)
    covered, mean = sums.weight, sums.means()
    covered = np.clip((covered - _EDGE[0]) / (_EDGE[1] - _EDGE[0]), 0, 1)
    hit = covered > 0
    origin = nearest.value(_centred(mean[..., :2], mean[..., 2:4], slope, wide), hit)
    # Points in the outermost pixels may lie outside their centres.
    origin = np.clip(origin, 0, np.array(layer.shape[::-1]) - 1)
    if shrunk:
        color = mean[..., 4:7] / np.maximum(mean[..., 7:], 1e-6)
        return Landed(covered * mean[..., 7], origin.astype(np.float32), color)
    if not enlarged:
        return _colored(cut.color, opacity, covered, origin)
    # Make the edge as sharp as it was before.
    soft = ndimage.gaussian_filter(np.where(wide, cut.opacity, 0), _SMOOTH)
    soft = _at(soft[..., None], origin, hit)[..., 0]
    soft = np.clip((soft - 0.5) * 2 * scale + 0.5, 0, 1)
    return Landed(np.where(hit, soft, 0), origin.astype(np.float32), _at(cut.color, origin, hit))


def _colored(
    color: Float[np.ndarray, "H W 3"],
    opacity: Float[np.ndarray, "H W"],
    covered: Float[np.ndarray, "H W"],
    origin: Float[np.ndarray, "H W 2"],
) -> Landed:
    """Make a landed layer whose colour and opacity are sampled at its origins."""
    there = covered > 0
    opacity = _at(opacity[..., None], origin, there)[..., 0]
    return Landed(covered * opacity, origin.astype(np.float32), _at(color, origin, there))


def _at(
    picture: Float[np.ndarray, "H W c"],
    origin: Float[np.ndarray, "H W 2"],
    there: Bool[np.ndarray, "H W"],
) -> Float[np.ndarray, "H W c"]:
    """Sample a picture at the origins of the pixels of `there`; 0 elsewhere."""
    out = np.zeros((*there.shape, picture.shape[-1]), np.float32)
    out[there] = _read(picture, *origin[there].T)
    return out


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
    own = _read(layer[..., None].astype(np.float64), middle[..., 0], middle[..., 1])
    return np.where((own > 0.999) & ~flat[..., None], middle, origin)


def _beyond(
    cut: Matte, flow: Float[np.ndarray, "H W 2"], layer: Bool[np.ndarray, "H W"]
) -> Landed | None:
    """Continue a layer that the frame cuts off, repeated or mirrored; None if it is not cut."""
    height, width = layer.shape
    most = int(_FARTHEST * np.sqrt(layer.size))
    inward = {
        "top": (layer[0], flow[0, :, 1]),
        "bottom": (layer[-1], -flow[-1, :, 1]),
        "left": (layer[:, 0], flow[:, 0, 0]),
        "right": (layer[:, -1], -flow[:, -1, 0]),
    }
    widths = {
        side: min(most, height, width, int(np.ceil(motion[cut].max(initial=0.0))))
        for side, (cut, motion) in inward.items()
    }
    if not any(pad > 0 for pad in widths.values()):
        return None
    pads = [(widths["top"], widths["bottom"]), (widths["left"], widths["right"])]
    larger = np.pad(layer, pads, mode="symmetric")
    moved = np.pad(flow, [*pads, (0, 0)], mode="edge")
    own = np.moveaxis(np.indices(layer.shape)[::-1], 0, -1)
    flow = nearest.value(flow, layer)
    places = np.pad(own, [*pads, (0, 0)], mode="symmetric")
    sides = ("right", "bottom", "left", "top")  # each is on the right after so many quarter turns
    for turns, side in enumerate(sides):
        part, pad = np.rot90(layer, turns), widths[side]
        shift = _shift(part, np.rot90(cut.color, turns), pad)
        if shift is None:
            continue
        first = widths[sides[turns - 1]]  # which that turn has brought to the top
        strip = np.s_[first : first + len(part), -pad:]
        source = np.arange(len(part)) + shift
        inside = (source >= 0) & (source < len(part))
        source = np.where(inside, source, 0)
        np.rot90(larger, turns)[strip] = part[source, -pad:] & inside[:, None]
        np.rot90(places, turns)[strip] = np.rot90(own, turns)[source, -pad:]
        np.rot90(moved, turns)[strip] = np.rot90(flow, turns)[:, -1:]
    outside = np.pad(np.zeros_like(layer), pads, constant_values=True)
    rows, columns = np.nonzero(larger & outside)
    here, source = moved[rows, columns], places[rows, columns].astype(np.float64)
    x, y = columns - pads[1][0] + here[:, 0], rows - pads[0][0] + here[:, 1]
    sums = _Sums(layer.shape, 2)
    ones = np.ones(len(rows))
    sums.add(x, y, ones, ones, list(source.T))
    covered = np.clip((sums.weight - _EDGE[0]) / (_EDGE[1] - _EDGE[0]), 0, 1)
    if not (covered > 0).any():
        return None
    origin = nearest.value(sums.means(), covered > 0)
    return _colored(cut.color, nearest.value(cut.opacity, layer), covered, origin)


def _shift(
    layer: Bool[np.ndarray, "h w"], color: Float[np.ndarray, "h w 3"], width: int
) -> int | None:
    """By how much to shift a layer down the right edge to repeat its last `width` columns there.

    The one with the least squared difference, of colours in [-1, 1] and of twice the mask, between
    the last columns and those `width` before them; None if no shift by up to `width` fits.
    """
    across = layer.shape[1]
    if width == 0 or width + _SEAM > across or not layer[:, -1].any():
        return None
    look = np.dstack([color * layer[..., None], 2.0 * layer])
    last = look[:, across - _SEAM :]
    before = np.pad(look[:, across - width - _SEAM : across - width], [(width,) * 2, *[(0, 0)] * 2])
    shown = np.nonzero(layer[:, -1])[0]
    costs = [
        np.square(last[shown] - before[shown + width + shift]).sum(axis=-1).mean()
        for shift in range(-width, width + 1)
    ]
    best = int(np.argmin(costs))
    return best - width if costs[best] < _FITS else None


class _Sums:
    """Accumulates what lands on each pixel: the covered share, and weighted sums of values."""

    def __init__(self, shape: tuple[int, ...], channels: int) -> None:
        self.shape, self.channels = shape, channels
        self.weight = np.zeros(shape)
        self._seen = np.zeros(shape[0] * shape[1])
        self._total = np.zeros((channels, shape[0] * shape[1]))

    def add(
        self,
        x: Float[np.ndarray, " n"],
        y: Float[np.ndarray, " n"],
        share: Float[np.ndarray, " n"],
        weight: Float[np.ndarray, " n"],
        values: list[Float[np.ndarray, " n"]],
    ) -> None:
        """Splat points, each onto the four pixels around it."""
        height, width = self.shape
        flat = self.weight.reshape(-1)
        for dy in (0, 1):
            for dx in (0, 1):
                j, i = np.floor(x).astype(np.int64) + dx, np.floor(y).astype(np.int64) + dy
                part = (1 - np.abs(y - i)) * (1 - np.abs(x - j))
                inside = (i >= 0) & (i < height) & (j >= 0) & (j < width)
                place, part = (i * width + j)[inside], part[inside]
                flat += np.bincount(place, part * share[inside], flat.size)
                part = part * weight[inside]
                self._seen += np.bincount(place, part, flat.size)
                for total, value in zip(self._total, values, strict=True):
                    total += np.bincount(place, part * value[inside], flat.size)

    def means(self) -> Float[np.ndarray, "H W c"]:
        """Weighted means of the values; 0 where nothing landed."""
        mean = self._total / np.where(self._seen > 0, self._seen, 1)
        return np.moveaxis(mean.reshape(self.channels, *self.shape), 0, -1)


def _read(
    picture: Float[np.ndarray, "H W c"], x: Float[np.ndarray, "*n"], y: Float[np.ndarray, "*n"]
) -> Float[np.ndarray, "*n c"]:
    """Sample a picture bilinearly; outside it, the nearest edge pixel."""
    return np.stack(
        [
            ndimage.map_coordinates(channel, [y, x], order=1, mode="nearest")
            for channel in np.moveaxis(picture, -1, 0)
        ],
        axis=-1,
    )


def _singular(
    matrix: Float[np.ndarray, "n 2 2"],
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """The larger and the smaller singular value of 2x2 matrices."""
    square = np.square(matrix).sum(axis=(-2, -1))
    rest = np.sqrt(np.maximum(np.square(square) - 4 * np.square(np.linalg.det(matrix)), 0))
    return np.sqrt((square + rest) / 2), np.sqrt(np.maximum(square - rest, 0) / 2)
