"""Make the full-size picture from matched patches, by copying instead of upsampling."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from mg_jax import images


def copy(
    photo: UInt8[np.ndarray, "H W 3"],
    pictures: list[UInt8[np.ndarray, "H W 3"]],
    region: Bool[np.ndarray, "H W"],
    matches: Int[np.ndarray, "h w 3"],
) -> UInt8[np.ndarray, "H W 3"]:
    """Copy `region` from `pictures` as `matches` say; the rest is `photo`'s.

    `matches` holds, for each cell of a coarse grid over the picture, the index of the picture that
    its patch comes from, and that patch's row and column in the same grid. Each of the four cells
    nearest to a pixel, if it touches the region, proposes the pixel at its own whole-pixel offset;
    the result is their bilinear mean. Where they agree, as inside an object, it is an exact copy.
    """
    stack = np.stack(pictures)
    y, x = np.nonzero(region)
    total, shares = np.zeros((y.size, 3), np.float32), np.zeros((y.size, 1), np.float32)
    for share, view, from_y, from_x in _proposals(region, matches):
        total += share[:, None] * stack[view, from_y, from_x]
        shares += share[:, None]
    out = photo.copy()
    out[y, x] = np.clip(np.rint(total / shares), 0, 255).astype(np.uint8)
    return out


def origins(
    places: list[Float[np.ndarray, "H W 2"]],
    region: Bool[np.ndarray, "H W"],
    matches: Int[np.ndarray, "h w 3"],
) -> Float[np.ndarray, "H W 2"]:
    """Where each pixel that `copy` makes comes from, by the cell with the largest share in it.

    `places` holds for each picture where its own pixels come from; outside `region` the first's
    are returned, the photo's.
    """
    stack = np.stack(places)
    largest = np.zeros(np.count_nonzero(region), np.float32)
    found = places[0][region]
    for share, view, from_y, from_x in _proposals(region, matches):
        more = share > largest
        found = np.where(more[:, None], stack[view, from_y, from_x], found)
        largest = np.maximum(share, largest)
    out = places[0].copy()
    out[region] = found
    return out


class _Proposal(NamedTuple):
    """What one of the four cells nearest to each of the region's pixels proposes."""

    share: Float[np.ndarray, " n"]  # bilinear weight; 0 if the cell does not touch the region
    view: Int[np.ndarray, " n"]
    row: Int[np.ndarray, " n"]  # of the pixel to copy
    column: Int[np.ndarray, " n"]


def _proposals(
    region: Bool[np.ndarray, "H W"], matches: Int[np.ndarray, "h w 3"]
) -> Iterator[_Proposal]:
    """Yield the proposals of the four cells nearest to each of the region's pixels."""
    height, width = region.shape
    rows, columns = matches.shape[:2]
    here = np.moveaxis(np.indices((rows, columns)), 0, -1)
    scale = np.array([height / rows, width / columns])
    offsets = np.rint((matches[..., 1:] - here) * scale).astype(np.int64)
    asked = images.box(region[..., None].astype(np.float32), (rows, columns))[..., 0] > 0
    y, x = np.nonzero(region)
    for i, share_y in neighbours(y, scale[0], rows):
        for j, share_x in neighbours(x, scale[1], columns):
            from_y = np.clip(y + offsets[i, j, 0], 0, height - 1)
            from_x = np.clip(x + offsets[i, j, 1], 0, width - 1)
            yield _Proposal(share_y * share_x * asked[i, j], matches[i, j, 0], from_y, from_x)


def neighbours(
    pixel: Int[np.ndarray, " n"], scale: float, cells: int
) -> list[tuple[Int[np.ndarray, " n"], Float[np.ndarray, " n"]]]:
    """The two cells nearest to each pixel along an axis, with their bilinear weights."""
    position = (pixel + 0.5) / scale - 0.5
    low = np.floor(position).astype(np.int64)
    high_share = (position - low).astype(np.float32)
    last = cells - 1
    return [(np.clip(low, 0, last), 1 - high_share), (np.clip(low + 1, 0, last), high_share)]
