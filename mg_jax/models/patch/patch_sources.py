"""Views: the pictures that the patch model takes its patches from.

The photo where it rests; the ground, which is the photo with its background filled in behind what
moves; and the photo with its object moved along the flow. The last is needed since patches of an
object's rim in front of its new background, or of a turned object, exist nowhere in the photo.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Shaped

from flows import nearest
from mg_jax.models.patch import layers
from mg_jax.models.patch.background import Background, behind, continued, places
from mg_jax.models.patch.matting import Matte, matte
from mg_jax.models.patch.motion import LayeredMotion

# Margin around what the motion changes, in which patches are taken: share of the picture's size.
_ROUND = 0.03
_OTHERS = 2  # grounds that are drawn at random
_GROUND = 0.05  # if less than this share of a picture rests, it moves as a whole


class View(NamedTuple):
    """A picture, and which of its patches are used."""

    picture: Float[np.ndarray, "H W 3"]  # in [-1, 1]
    chosen: Bool[np.ndarray, "H W"]  # centres of the patches that are used
    placed: bool  # its patches belong where they lie; others may be used anywhere
    origin: Float[np.ndarray, "H W 2"]  # (row, column) in the photo that each pixel shows


class Scene(NamedTuple):
    """A photo taken apart: what moves, and the grounds that may lie behind it."""

    cut: Matte
    grounds: tuple[Background, ...]  # the likeliest first; none if the photo moves as a whole


class Composed(NamedTuple):
    """Moved layers over a ground."""

    picture: Float[np.ndarray, "H W 3"]  # in [-1, 1]
    covered: Bool[np.ndarray, "H W"]  # by a layer
    origin: Float[np.ndarray, "H W 2"]  # (row, column) in the photo that each pixel shows


def scene(
    photo: Float[np.ndarray, "H W 3"],
    motion: LayeredMotion,
    shape: tuple[int, int],
    drawn: int = _OTHERS,
) -> Scene:
    """Take a photo in [-1, 1] apart, with the likeliest ground and `drawn` others at random.

    `shape` is the grid on whose cells grounds are filled in.
    """
    cut = matte(photo, motion.flow, motion.moving)
    if motion.moving.mean() > 1 - _GROUND:
        return Scene(cut, ())
    chance = np.random.default_rng(0)
    others = (behind(photo, cut, motion, shape, chance) for _ in range(drawn))
    return Scene(cut, (behind(photo, cut, motion, shape), *others))


def views(
    photo: Float[np.ndarray, "H W 3"],
    motion: LayeredMotion,
    shape: tuple[int, int],
    apart: Scene | None = None,
) -> tuple[View, ...]:
    """The photo at rest, several possible grounds, and the photo with its layers moved, in order.

    The photo is in [-1, 1]; `shape` is the grid on whose cells the ground is filled in. The ground
    behind what moves is not known: the first is the likeliest, the others are drawn at random, and
    each place of the edit uses one of them. If almost nothing rests, there is no ground. A photo
    that was taken `apart` before is not taken apart again.
    """
    size = float(np.sqrt(motion.moving.size))
    rest = View(photo, ~motion.moving, True, places(motion.moving.shape).astype(np.float32))
    cut, grounds = apart or scene(photo, motion, shape)
    if not grounds:
        moved = _moved(photo, cut, motion, shape)
        return rest, View(moved.picture, np.ones_like(motion.moving), False, moved.origin)
    likeliest = grounds[0]
    uncovered = nearest.distance(likeliest.left | motion.moving) <= _ROUND * size
    uncovered &= ~likeliest.hidden
    moved = composed(cut, motion, likeliest.picture, likeliest.origin)
    near = nearest.distance(moved.covered) <= _ROUND * size
    return (
        rest,
        *(
            View(ground.picture, uncovered, True, ground.origin.astype(np.float32))
            for ground in grounds
        ),
        View(moved.picture, near, False, moved.origin),
    )


def preview(
    photo: Float[np.ndarray, "H W 3"],
    motion: LayeredMotion,
    shape: tuple[int, int],
    apart: Scene | None = None,
) -> Composed:
    """The photo with its layers moved over its likeliest ground."""
    cut, grounds = apart or scene(photo, motion, shape, drawn=0)
    if not grounds:
        return _moved(photo, cut, motion, shape)
    return composed(cut, motion, grounds[0].picture, grounds[0].origin)


def _moved(
    photo: Float[np.ndarray, "H W 3"], cut: Matte, motion: LayeredMotion, shape: tuple[int, int]
) -> Composed:
    """The photo moved as a whole; places where nothing lands are filled from what does."""
    moved = composed(cut, motion, photo, places(motion.moving.shape))
    whole = nearest.value(moved.picture, moved.covered)
    filled = continued(whole, ~moved.covered, ~moved.covered, shape)
    origin = nearest.value(moved.origin, moved.covered)[tuple(np.moveaxis(filled.origin, -1, 0))]
    return Composed(filled.picture, moved.covered, origin)


def composed(
    cut: Matte,
    motion: LayeredMotion,
    ground: Float[np.ndarray, "H W 3"],
    origin: Shaped[np.ndarray, "H W 2"],
) -> Composed:
    """The moved layers over the ground, whose pixels show the photo's at `origin` (row, column)."""
    picture, covered = ground, np.zeros_like(motion.moving)
    origin = origin.astype(np.float32)
    for layer in layers.landed(cut, motion.flow, motion.order):
        picture = picture + layer.covered[..., None] * (layer.color - picture)
        shown = layer.covered > 0.5
        covered |= shown
        origin = np.where(shown[..., None], layer.origin[..., ::-1], origin)
    return Composed(np.clip(picture, -1, 1).astype(np.float32), covered, origin)
