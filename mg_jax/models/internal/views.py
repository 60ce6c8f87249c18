"""Pictures that the internal denoiser takes its patches from.

The photo itself, and the photo with its object pushed along the motion: an object's rim before its
new background exists nowhere in the photo, nor do patches of a turned object. Where the motion
turns, scales or bends, also the photo with its object half-way.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from flows.masks import moving as moving_pixels
from mg_jax.models.internal.background import Background

# Strain from which a motion counts as more than a translation: 8 %, or 0.08 rad of turning.
_RIGID = 0.08
# A pixel is landed on when this share of one arrives; fewer are an edge's leftovers.
_LANDED = 0.1


class View(NamedTuple):
    """Where each pixel of a picture is taken from in the photo, and where the motion brings it."""

    origin: Float[np.ndarray, "H W 2"]  # (x, y) in the photo
    tone: Float[np.ndarray, "H W 3"]  # added to what is taken from there
    chosen: Bool[np.ndarray, "H W"]  # patches may be taken here
    moving: Bool[np.ndarray, "H W"]  # it shows the moved object here
    onward: Float[np.ndarray, "H W 2"]  # (dx, dy) still to go from here


def views(flow: Float[np.ndarray, "H W 2"], behind: Background) -> list[View]:
    """The photo as it is, then pushed, then half-way if the motion has any strain worth it.

    `behind` is the photo without the object.
    """
    moving = moving_pixels(flow)
    shares = (1.0, 0.5) if strain(flow, moving) > _RIGID else (1.0,)
    return [
        View(
            _positions(moving.shape),
            np.zeros((*moving.shape, 3), np.float32),
            np.ones_like(moving),
            moving,
            flow,
        ),
        *(_pushed(flow, moving, share, behind) for share in shares),
    ]


def strain(flow: Float[np.ndarray, "H W 2"], moving: Bool[np.ndarray, "H W"]) -> float:
    """Median size of the flow's derivative inside the moved area (0 for a translation)."""
    inside = ndimage.binary_erosion(moving, iterations=2)
    if not inside.any():
        return 0.0
    by_y, by_x = np.gradient(flow, axis=(0, 1))
    norms = np.sqrt(0.5 * (np.square(by_y) + np.square(by_x)).sum(axis=-1))
    return float(np.median(norms[inside]))


def picture(view: View, photo: Float[np.ndarray, "H W 3"]) -> Float[np.ndarray, "H W 3"]:
    """The view as a picture of the photo's size, in [-1, 1]; bilinear where it is deformed."""
    positions = _positions(view.moving.shape)
    changed = (view.origin != positions).any(axis=-1)
    out = np.clip(photo + view.tone, -1, 1)
    points = view.origin[changed].T[::-1]
    for channel in range(3):
        values = ndimage.map_coordinates(photo[..., channel], points, order=1, mode="nearest")
        out[changed, channel] = np.clip(values + view.tone[changed, channel], -1, 1)
    return np.asarray(out)


def _positions(shape: tuple[int, int]) -> Float[np.ndarray, "H W 2"]:
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.stack([x, y], axis=-1).astype(np.float32)


def _pushed(
    flow: Float[np.ndarray, "H W 2"],
    moving: Bool[np.ndarray, "H W"],
    share: float,
    behind: Background,
) -> View:
    """The background with the object pushed along `share` of its flow, laid over it.

    Source coordinates are splatted four to a pixel, so that enlarging by up to two leaves no hole.
    """
    height, width = moving.shape
    rows, columns = np.nonzero(moving)
    weight = np.zeros(height * width)
    total = np.zeros((2, height * width))
    for offset_y in (-0.25, 0.25):
        for offset_x in (-0.25, 0.25):
            x, y = columns + offset_x, rows + offset_y
            landing_x = x + share * flow[rows, columns, 0]
            landing_y = y + share * flow[rows, columns, 1]
            for dy in (0, 1):
                for dx in (0, 1):
                    j = np.floor(landing_x).astype(np.int64) + dx
                    i = np.floor(landing_y).astype(np.int64) + dy
                    amount = (1 - np.abs(landing_y - i)) * (1 - np.abs(landing_x - j)) / 4
                    inside = (i >= 0) & (i < height) & (j >= 0) & (j < width)
                    flat, amount = (i * width + j)[inside], amount[inside]
                    weight += np.bincount(flat, amount, height * width)
                    total[0] += np.bincount(flat, amount * x[inside], height * width)
                    total[1] += np.bincount(flat, amount * y[inside], height * width)
    hit = (weight > _LANDED).reshape(height, width)
    if not hit.any():
        return View(behind.origin, behind.tone, behind.left, hit, np.zeros_like(flow))
    landed = ndimage.binary_closing(hit, iterations=2) | hit
    mean = np.moveaxis(total / np.maximum(weight, 1e-6), 0, -1).reshape(height, width, 2)
    nearest = ndimage.distance_transform_edt(~hit, return_distances=False, return_indices=True)
    origin = mean[nearest[0], nearest[1]].astype(np.float32)
    origin = np.where(landed[..., None], origin, behind.origin)
    tone = np.where(landed[..., None], np.float32(0), behind.tone)
    i = np.clip(np.rint(origin[..., 1]).astype(np.int64), 0, height - 1)
    j = np.clip(np.rint(origin[..., 0]).astype(np.int64), 0, width - 1)
    onward = np.where(landed[..., None], (1 - share) * flow[i, j], 0.0).astype(np.float32)
    chosen = landed | behind.left if share == 1 else landed
    return View(origin, tone, chosen, landed, onward)
