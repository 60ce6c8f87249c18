"""Forward splatting: what points put down on the pixels round them, and layers made of it.

`flows.geometry.splat` does the same quickly and differentiably; here values are averaged, too.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

# Splatting blurs an edge over a pixel; covered shares from the first to the second become 0 to 1.
_EDGE = 0.25, 0.75


class Landed(NamedTuple):
    """A layer after its motion."""

    covered: Float[np.ndarray, "H W"]  # share of each pixel that the layer covers
    origin: Float[np.ndarray, "H W 2"]  # (x, y) in the photo; where nothing lands, the nearest's
    color: Float[np.ndarray, "H W 3"]  # where it covers anything


class Sums:
    """What has landed on each pixel of a picture: the covered share, and weighted means of values.

    `weight` [H W] is the sum of the shares; there are as many values a point as `channels`.
    """

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
        """Splat points at (x, y), each onto the four pixels around it.

        `share` is how much of a pixel each covers, `weight` how much its values count.
        """
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

    def covered(self) -> Float[np.ndarray, "H W"]:
        """The covered share of each pixel, with edges as sharp as they were."""
        return np.clip((self.weight - _EDGE[0]) / (_EDGE[1] - _EDGE[0]), 0, 1)

    def means(self) -> Float[np.ndarray, "H W c"]:
        """Weighted means of the values; 0 where nothing landed."""
        mean = self._total / np.where(self._seen > 0, self._seen, 1)
        return np.moveaxis(mean.reshape(self.channels, *self.shape), 0, -1)


def colored(
    color: Float[np.ndarray, "H W 3"],
    opacity: Float[np.ndarray, "H W"],
    covered: Float[np.ndarray, "H W"],
    origin: Float[np.ndarray, "H W 2"],
) -> Landed:
    """Make a landed layer whose colour and opacity are sampled at its origins, (x, y)."""
    there = covered > 0
    opacity = at(opacity[..., None], origin, there)[..., 0]
    return Landed(covered * opacity, origin.astype(np.float32), at(color, origin, there))


def at(
    picture: Float[np.ndarray, "H W c"],
    origin: Float[np.ndarray, "H W 2"],
    there: Bool[np.ndarray, "H W"],
) -> Float[np.ndarray, "H W c"]:
    """Sample a picture at the origins of the pixels of `there`; 0 elsewhere."""
    out = np.zeros((*there.shape, picture.shape[-1]), np.float32)
    out[there] = read(picture, *origin[there].T)
    return out


def read(
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
