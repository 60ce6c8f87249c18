"""Pictures that the patch model takes its patches from.

The photo where it rests; the ground, which is the photo with its background continued behind what
moves; and the photo with its object moved along the flow: an object's rim before its new background
exists nowhere in the photo, nor do patches of a turned object.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage

from flows import nearest
from flows.masks import solid
from mg_jax.models.internal import layers
from mg_jax.models.internal.background import behind, continued
from mg_jax.models.internal.matting import matte
from mg_jax.models.internal.motion import Motion

# So far round what the motion changes patches of that may be taken; a share of the picture's size.
_ROUND = 0.03
_GROUND = 0.05  # a picture of which less than this share rests moves as a whole


class View(NamedTuple):
    """A picture, and which of its patches count."""

    picture: Float[np.ndarray, "H W 3"]  # in [-1, 1]
    chosen: Bool[np.ndarray, "H W"]  # patches may be taken here
    placed: bool  # its patches are known to belong where they lie


def views(
    photo: Float[np.ndarray, "H W 3"],
    motion: Motion,
    shape: tuple[int, int],
) -> tuple[View, View, View]:
    """The photo at rest, its ground, and with its layers moved; the photo in [-1, 1].

    `shape` is of the grid in whose cells the ground is continued. Where next to nothing rests there
    is no ground: what lands goes on.
    """
    flow, order = motion.flow, motion.order
    moving = solid(flow)
    size = float(np.sqrt(moving.size))
    if moving.mean() > 1 - _GROUND:
        moved, covered = composed(photo, flow, order, photo)
        moved = nearest.value(moved, covered)
        moved = continued(moved, ~covered, ~covered, shape).picture
        everywhere = np.ones_like(moving)
        return View(photo, ~moving, True), View(moved, ~everywhere, True), View(moved, everywhere, False)
    ground, left = behind(photo, flow, shape)
    uncovered = nearest.distance(left | moving) <= _ROUND * size
    moved, covered = composed(photo, flow, order, ground)
    near = nearest.distance(covered) <= _ROUND * size
    return (
        View(photo, ~moving, True),
        View(ground, uncovered, True),
        View(moved, near, False),
    )


def composed(
    photo: Float[np.ndarray, "H W 3"],
    flow: Float[np.ndarray, "H W 2"],
    order: Int[np.ndarray, "H W"],
    ground: Float[np.ndarray, "H W 3"],
) -> tuple[Float[np.ndarray, "H W 3"], Bool[np.ndarray, "H W"]]:
    """The layers laid over the ground, and where any lies.

    What was behind a layer's rim gives way to what is behind it now.
    """
    rim = matte(photo, solid(flow))
    picture, covered = ground, np.zeros(order.shape, bool)
    for layer in layers.landed(photo, flow, order):
        column, row = np.moveaxis(np.rint(layer.origin).astype(np.int64), -1, 0)
        there = layer.covered > 0
        own = _taken(photo, layer.origin) if layer.mean is None else layer.mean
        clear = 1 - rim.opacity[row, column][..., None]
        own = own + clear * (picture - rim.background[row, column])
        share = layer.covered[..., None]
        picture = np.where(there[..., None], picture + share * (own - picture), picture)
        covered |= there
    return np.clip(picture, -1, 1).astype(np.float32), covered


def _taken(
    photo: Float[np.ndarray, "H W 3"], origin: Float[np.ndarray, "H W 2"]
) -> Float[np.ndarray, "H W 3"]:
    """The photo at each pixel's origin, bilinear."""
    y, x = np.indices(origin.shape[:2])
    changed = (origin[..., 0] != x) | (origin[..., 1] != y)
    points = origin[changed].T[::-1]
    out = photo.copy()
    for channel in range(3):
        out[changed, channel] = ndimage.map_coordinates(
            photo[..., channel], points, order=1, mode="nearest"
        )
    return out
