"""Pictures that the internal denoiser takes its patches from.

The photo itself where it rests, and the photo with its object pushed along the motion: an object's
rim before its new background exists nowhere in the photo, nor do patches of a turned object.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from flows.masks import moving as moving_pixels
from mg_jax.models.internal.background import Background
from mg_jax.models.internal.matting import matte

# A pixel is landed on when this share of one arrives; fewer are an edge's leftovers.
_LANDED = 0.1
# A picture of which less than this share rests moves as a whole.
_GROUND = 0.05
# So far round the pushed object its patches may be taken, as a share of the picture's size.
_ROUND = 0.03


class View(NamedTuple):
    """Where each pixel of a picture is taken from in the photo, and which of its patches count."""

    origin: Float[np.ndarray, "H W 2"]  # (x, y) in the photo
    tone: Float[np.ndarray, "H W 3"]  # added to what is taken from there
    chosen: Bool[np.ndarray, "H W"]  # patches may be taken here
    moving: Bool[np.ndarray, "H W"]  # it shows the moved object here


def views(
    photo: Float[np.ndarray, "H W 3"], flow: Float[np.ndarray, "H W 2"], behind: Background
) -> tuple[View, View]:
    """The photo at rest, and pushed; the photo in [-1, 1], `behind` is it without the object."""
    moving = moving_pixels(flow)
    positions = _positions(moving.shape)
    rest = View(positions, np.zeros((*moving.shape, 3), np.float32), ~moving, moving)
    return rest, _pushed(photo, flow, moving, behind)


def whole(flow: Float[np.ndarray, "H W 2"]) -> View:
    """The photo, all of it."""
    positions = _positions(flow.shape[:2])
    nowhere = np.zeros(flow.shape[:2], bool)
    return View(positions, np.zeros((*nowhere.shape, 3), np.float32), ~nowhere, nowhere)


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
    photo: Float[np.ndarray, "H W 3"],
    flow: Float[np.ndarray, "H W 2"],
    moving: Bool[np.ndarray, "H W"],
    behind: Background,
) -> View:
    """The background with the object pushed along its flow, laid over it.

    Source coordinates are splatted four to a pixel, or sixteen, so that enlarging by up to two, or
    four, leaves no hole. Where next to nothing rests there is no ground to lay it on: what lands
    nearest goes on. What was behind the object's rim gives way to what is behind it now.
    """
    height, width = moving.shape
    rows, columns = np.nonzero(moving)
    weight = np.zeros(height * width)
    total = np.zeros((2, height * width))
    fine = 2 if _enlarging(flow, moving) <= 2 else 4
    places = (np.arange(fine) + 0.5) / fine - 0.5
    for offset_y in places:
        for offset_x in places:
            x, y = columns + offset_x, rows + offset_y
            landing_x = x + flow[rows, columns, 0]
            landing_y = y + flow[rows, columns, 1]
            for dy in (0, 1):
                for dx in (0, 1):
                    j = np.floor(landing_x).astype(np.int64) + dx
                    i = np.floor(landing_y).astype(np.int64) + dy
                    amount = (1 - np.abs(landing_y - i)) * (1 - np.abs(landing_x - j)) / fine**2
                    inside = (i >= 0) & (i < height) & (j >= 0) & (j < width)
                    flat, amount = (i * width + j)[inside], amount[inside]
                    weight += np.bincount(flat, amount, height * width)
                    total[0] += np.bincount(flat, amount * x[inside], height * width)
                    total[1] += np.bincount(flat, amount * y[inside], height * width)
    hit = (weight > _LANDED).reshape(height, width)
    if not hit.any():
        return View(behind.origin, behind.tone, behind.left, hit)
    landed = ndimage.binary_closing(hit, iterations=2) | hit
    if 1 - moving.mean() < _GROUND:
        landed = np.ones_like(hit)
    mean = np.moveaxis(total / np.maximum(weight, 1e-6), 0, -1).reshape(height, width, 2)
    nearest = ndimage.distance_transform_edt(~hit, return_distances=False, return_indices=True)
    origin = mean[nearest[0], nearest[1]].astype(np.float32)
    x, y = np.moveaxis(np.rint(origin).astype(np.int64), -1, 0)
    source = np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)
    rim = matte(photo, moving)
    ground = picture(View(behind.origin, behind.tone, landed, landed), photo)
    change = (1 - rim.opacity[source])[..., None] * (ground - rim.background[source])
    size = float(np.sqrt(moving.size))
    around = ndimage.distance_transform_edt(~landed) <= _ROUND * size
    return View(
        np.where(landed[..., None], origin, behind.origin),
        np.where(landed[..., None], change, behind.tone).astype(np.float32),
        around | behind.left,
        landed,
    )


def _enlarging(flow: Float[np.ndarray, "H W 2"], moving: Bool[np.ndarray, "H W"]) -> float:
    """How far apart the motion brings neighbours, in pixels, but for its edges."""
    inside = ndimage.binary_erosion(moving, iterations=2)
    if not inside.any():
        return 1.0
    by_y, by_x = np.gradient(flow, axis=(0, 1))
    return 1 + float(np.quantile(np.maximum(np.abs(by_y), np.abs(by_x)).max(-1)[inside], 0.99))
