"""Pictures that the patch model takes its patches from.

The photo where it rests; the ground, which is the photo with its background continued behind what
moves; and the photo with its object moved along the flow: an object's rim before its new background
exists nowhere in the photo, nor do patches of a turned object.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from flows import nearest
from mg_jax.models.patch import layers
from mg_jax.models.patch.background import behind, continued
from mg_jax.models.patch.matting import Matte, matte
from mg_jax.models.patch.motion import LayeredMotion

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
    photo: Float[np.ndarray, "H W 3"], motion: LayeredMotion, shape: tuple[int, int]
) -> tuple[View, ...]:
    """The photo at rest, its ground in several ways, and with its layers moved, in this order.

    The photo is in [-1, 1], `shape` is of the grid in whose cells the ground is continued. Which
    ground is behind what moves, the photo leaves open: the first is the likeliest, the others are
    drawn, and each place of the edit takes one of them.
    """
    size = float(np.sqrt(motion.moving.size))
    rest = View(photo, ~motion.moving, True)
    cut = matte(photo, motion.flow, motion.moving)
    if not _rests(motion):
        return rest, View(_moved(photo, cut, motion, shape), np.ones_like(motion.moving), False)
    chance = np.random.default_rng(0)
    likeliest = behind(photo, cut, motion, shape)
    grounds = [likeliest, *(behind(photo, cut, motion, shape, chance) for _ in range(_OTHERS))]
    uncovered = nearest.distance(likeliest.left | motion.moving) <= _ROUND * size
    uncovered &= ~likeliest.hidden
    moved, covered = composed(cut, motion, likeliest.picture)
    near = nearest.distance(covered) <= _ROUND * size
    return (
        rest,
        *(View(one.picture, uncovered, True, i > 0) for i, one in enumerate(grounds)),
        View(moved, near, False),
    )


def preview(
    photo: Float[np.ndarray, "H W 3"], motion: LayeredMotion, shape: tuple[int, int]
) -> Float[np.ndarray, "H W 3"]:
    """The photo with its layers moved over its likeliest ground, in [-1, 1]."""
    cut = matte(photo, motion.flow, motion.moving)
    if not _rests(motion):
        return _moved(photo, cut, motion, shape)
    return composed(cut, motion, behind(photo, cut, motion, shape).picture)[0]


def _rests(motion: LayeredMotion) -> bool:
    """Whether enough rests to be the ground of what moves."""
    return bool(motion.moving.mean() <= 1 - _GROUND)


def _moved(
    photo: Float[np.ndarray, "H W 3"], cut: Matte, motion: LayeredMotion, shape: tuple[int, int]
) -> Float[np.ndarray, "H W 3"]:
    """The whole picture moved; what lands goes on where nothing does."""
    moved, covered = composed(cut, motion, photo)
    return continued(nearest.value(moved, covered), ~covered, ~covered, shape).picture


def composed(
    cut: Matte, motion: LayeredMotion, ground: Float[np.ndarray, "H W 3"]
) -> tuple[Float[np.ndarray, "H W 3"], Bool[np.ndarray, "H W"]]:
    """The layers laid over the ground, and where any lies."""
    picture, covered = ground, np.zeros_like(motion.moving)
    for layer in layers.landed(cut, motion.flow, motion.order):
        picture = picture + layer.covered[..., None] * (layer.color - picture)
        covered |= layer.covered > 0.5
    return np.clip(picture, -1, 1).astype(np.float32), covered
