"""Continue a layer that the frame cuts off, where the motion brings the cut inside.

It is repeated, if shifted along the frame it looks at a distance from the frame as it does there,
as bars and walls do, or else mirrored.
"""

import numpy as np
from jaxtyping import Bool, Float

from flows import nearest
from mg_jax.models.patch.matting import Matte
from mg_jax.models.patch.splatting import Landed, Sums, colored

_SEAM = 4  # columns at the frame that are compared
_FITS = 0.1  # mean squared difference there up to which a layer is repeated; see `_shift`
_FARTHEST = 0.125  # how far a layer is continued beyond the frame, as a share of the picture's size


def beyond(
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
    sums = Sums(layer.shape, 2)
    ones = np.ones(len(rows))
    sums.add(x, y, ones, ones, list(source.T))
    covered = sums.covered()
    if not (covered > 0).any():
        return None
    origin = nearest.value(sums.means(), covered > 0)
    return colored(cut.color, nearest.value(cut.opacity, layer), covered, origin)


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
