"""Pictures that the patch model takes its patches from.

The photo where it rests; the ground, which is the photo with its background continued behind what
moves; and the photo with its object moved along the flow: an object's rim before its new background
exists nowhere in the photo, nor do patches of a turned object.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from flows import nearest
from mg_jax.models.patch import layers
from mg_jax.models.patch.background import behind, continued
from mg_jax.models.patch.matting import matte
from mg_jax.models.patch.motion import Motion

# So far round what the motion changes patches of that may be taken; a share of the picture's size.
_ROUND = 0.03
_OTHERS = 2  # grounds that are drawn
_GROUND = 0.05  # a picture of which less than this share rests moves as a whole


class View(NamedTuple):
    """A picture, and which of its patches count."""

    picture: Float[np.ndarray, "H W 3"]  # in [-1, 1]
    chosen: Bool[np.ndarray, "H W"]  # patches may be taken here
    placed: bool  # its patches are known to belong where they lie
    drawn: bool = False  # by chance, one of several ways: less likely than the others


def views(
    photo: Float[np.ndarray, "H W 3"], motion: Motion, shape: tuple[int, int]
) -> tuple[View, ...]:
    """The photo at rest, its ground in several ways, and with its layers moved, in this order.

    The photo is in [-1, 1], `shape` is of the grid in whose cells the ground is continued. Which
    ground is behind what moves, the photo leaves open: the first is the likeliest, the others are
    drawn, and each place of the edit takes one of them.
    """
    size = float(np.sqrt(motion.moving.size))
    rest = View(photo, ~motion.moving, True)
    if not _rests(motion):
        return rest, View(_moved(photo, motion, shape), np.ones_like(motion.moving), False)
    chance = np.random.default_rng(0)
    likeliest = behind(photo, motion, shape)
    grounds = [likeliest, *(behind(photo, motion, shape, chance) for _ in range(_OTHERS))]
    uncovered = nearest.distance(likeliest.left | motion.moving) <= _ROUND * size
    moved, covered = composed(photo, motion, likeliest.picture)
    near = nearest.distance(covered) <= _ROUND * size
    return (
        rest,
        *(View(one.picture, uncovered, True, i > 0) for i, one in enumerate(grounds)),
        View(moved, near, False),
    )


def preview(
    photo: Float[np.ndarray, "H W 3"], motion: Motion, shape: tuple[int, int]
) -> Float[np.ndarray, "H W 3"]:
    """The photo with its layers moved over its likeliest ground, in [-1, 1]."""
    if not _rests(motion):
        return _moved(photo, motion, shape)
    return composed(photo, motion, behind(photo, motion, shape).picture)[0]


def _rests(motion: Motion) -> bool:
    """Whether enough rests to be the ground of what moves."""
    return bool(motion.moving.mean() <= 1 - _GROUND)


def _moved(
    photo: Float[np.ndarray, "H W 3"], motion: Motion, shape: tuple[int, int]
) -> Float[np.ndarray, "H W 3"]:
    """The whole picture moved; what lands goes on where nothing does."""
    moved, covered = composed(photo, motion, photo)
    return continued(nearest.value(moved, covered), ~covered, ~covered, shape).picture


def composed(
    photo: Float[np.ndarray, "H W 3"],
    motion: Motion,
    ground: Float[np.ndarray, "H W 3"],
) -> tuple[Float[np.ndarray, "H W 3"], Bool[np.ndarray, "H W"]]:
    """The layers laid over the ground, and where any lies.

    What was behind a layer's rim gives way to what is behind it now.
    """
    rim = matte(photo, motion.moving)
    picture, covered = ground, np.zeros_like(motion.moving)
    for layer in layers.landed(photo, motion.flow, motion.order):
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
