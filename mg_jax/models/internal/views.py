"""Pictures that the patch model takes its patches from.

The photo where it rests; the ground, which is the photo with its background continued behind what
moves; and the photo with its object pushed along the motion: an object's rim before its new
background exists nowhere in the photo, nor do patches of a turned object.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from flows import nearest
from flows.masks import solid
from mg_jax.models.internal.background import Background
from mg_jax.models.internal.landing import land
from mg_jax.models.internal.matting import matte

# A picture of which less than this share rests moves as a whole.
_GROUND = 0.05
# So far round what the motion changes pushed patches may be taken; a share of the picture's size.
_ROUND = 0.03


class View(NamedTuple):
    """Where each pixel of a picture is taken from in the photo, and which of its patches count."""

    origin: Float[np.ndarray, "H W 2"]  # (x, y) in the photo
    tone: Float[np.ndarray, "H W 3"]  # added to what is taken from there
    chosen: Bool[np.ndarray, "H W"]  # patches may be taken here
    placed: bool  # its patches are known to belong where they lie


def views(
    photo: Float[np.ndarray, "H W 3"], flow: Float[np.ndarray, "H W 2"], behind: Background
) -> tuple[View, View, View]:
    """The photo at rest, its ground, and pushed; the photo in [-1, 1]."""
    moving = solid(flow)
    size = float(np.sqrt(moving.size))
    nothing = np.zeros((*moving.shape, 3), np.float32)
    rest = View(_positions(moving.shape), nothing, ~moving, True)
    uncovered = nearest.distance(behind.left | moving) <= _ROUND * size
    ground = View(behind.origin, behind.tone, uncovered, True)
    return rest, ground, _pushed(photo, flow, moving, behind)


def picture(view: View, photo: Float[np.ndarray, "H W 3"]) -> Float[np.ndarray, "H W 3"]:
    """The view as a picture of the photo's size, in [-1, 1]; bilinear where it is deformed."""
    return np.asarray(np.clip(_taken(photo, view.origin) + view.tone, -1, 1))


def _taken(
    photo: Float[np.ndarray, "H W 3"], origin: Float[np.ndarray, "H W 2"]
) -> Float[np.ndarray, "H W 3"]:
    """The photo at each pixel's origin."""
    changed = (origin != _positions(origin.shape[:2])).any(axis=-1)
    points = origin[changed].T[::-1]
    out = photo.copy()
    for channel in range(3):
        out[changed, channel] = ndimage.map_coordinates(
            photo[..., channel], points, order=1, mode="nearest"
        )
    return out


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

    Where next to nothing rests there is no ground to lay it on: what lands nearest goes on. What
    was behind the object's rim gives way to what is behind it now.
    """
    landing = land(flow)
    landed, covered, origin = landing.covered > 0, landing.covered, landing.origin
    if landed.any() and 1 - moving.mean() < _GROUND:
        landed, covered = np.ones_like(landed), np.ones_like(covered)
    size = float(np.sqrt(moving.size))
    ground = np.clip(_taken(photo, behind.origin) + behind.tone, -1, 1)
    rim = matte(photo, moving)
    column, row = np.moveaxis(np.rint(origin).astype(np.int64), -1, 0)
    opacity, covered = rim.opacity[row, column][..., None], covered[..., None]
    change = covered * (1 - opacity) * (ground - rim.background[row, column])
    change += (1 - covered) * (ground - _taken(photo, origin))
    near = nearest.distance(landed) <= _ROUND * size
    return View(
        np.where(landed[..., None], origin, behind.origin),
        np.where(landed[..., None], change, behind.tone).astype(np.float32),
        near,
        False,
    )
