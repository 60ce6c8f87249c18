"""Fill in the photo's background where the moving object has left."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from flows import nearest
from mg_jax import images
from mg_jax.models.patch.completion import complete
from mg_jax.models.patch.matting import SEEN, Matte, stained
from mg_jax.models.patch.motion import LayeredMotion
from mg_jax.models.patch.poisson import tones
from mg_jax.models.patch.texture import texture

# How far the background is filled behind the object's new place, as a share of the picture's size.
_BEHIND = 1 / 64
_ROUGH = 2.0  # weight of a texture's difference beside one of colours
# How strongly a pixel's tone is drawn to its cell's: else an edge that ends at the hole bleeds in.
_PULL = 0.03
_AWAY = 1.0  # pixels; what moves by less at its border, as the end of a joint, stays in the ground


class Background(NamedTuple):
    """The photo's background, filled in behind the moving object."""

    picture: Float[np.ndarray, "H W 3"]  # in [-1, 1]; where nothing moves, the photo
    left: Bool[np.ndarray, "H W"]  # filled in: what the object left, and a rim of where it lands
    hidden: Bool[np.ndarray, "H W"]  # not filled in: where the object was and still covers it
    origin: Int[np.ndarray, "H W 2"]  # (row, column) in the photo that each pixel is copied from


def behind(
    photo: Float[np.ndarray, "H W 3"],
    cut: Matte,
    motion: LayeredMotion,
    shape: tuple[int, int],
    drawn: np.random.Generator | None = None,
) -> Background:
    """Fill in the background behind what moves; the photo is in [-1, 1].

    `shape` is the grid (rows, columns) on whose cells it is searched: the coarser, the faster.
    Returns the likeliest background, or, with a generator `drawn`, one at random.
    """
    filled = continued(photo, _gone(photo, cut, motion), ~_covered(motion), shape, drawn)
    return _joined(filled, photo, motion)


def everywhere(
    photo: Float[np.ndarray, "H W 3"], cut: Matte, motion: LayeredMotion, shape: tuple[int, int]
) -> Background:
    """Fill in the likeliest background wherever what moves was, even where it lands again."""
    filled = continued(photo, _gone(photo, cut, motion), np.ones_like(motion.moving), shape)
    return _joined(filled, photo, motion)


def uncovered(filled: Background, motion: LayeredMotion) -> Background:
    """What of a background filled in `everywhere` is needed for one motion; the rest is hidden."""
    covered = filled.left & _covered(motion)
    return filled._replace(left=filled.left & ~covered, hidden=filled.hidden | covered)


def _gone(
    photo: Float[np.ndarray, "H W 3"], cut: Matte, motion: LayeredMotion
) -> Bool[np.ndarray, "H W"]:
    """Where the photo shows what moves."""
    return stained(photo, motion.moving) | (cut.opacity > SEEN)


def _joined(
    filled: Background, photo: Float[np.ndarray, "H W 3"], motion: LayeredMotion
) -> Background:
    """Leave the photo where a motion ends by degrees: a filling would show as a line round it."""
    length = nearest.value(np.linalg.norm(motion.flow, axis=-1), motion.moving)
    depth = nearest.distance(~motion.moving)
    end = (length < _AWAY) & (depth <= _BEHIND * np.sqrt(motion.moving.size))
    return filled._replace(
        picture=np.where(end[..., None], photo, filled.picture),
        left=filled.left & ~end,
        hidden=filled.hidden & ~end,
        origin=np.where(end[..., None], places(end.shape), filled.origin),
    )


def _covered(motion: LayeredMotion) -> Bool[np.ndarray, "H W"]:
    """Where what lands hides the background, but for a rim."""
    size = float(np.sqrt(motion.moving.size))
    return np.asarray(nearest.distance(~motion.landed) > _BEHIND * size)


def continued(
    photo: Float[np.ndarray, "H W 3"],
    unknown: Bool[np.ndarray, "H W"],
    wanted: Bool[np.ndarray, "H W"],
    shape: tuple[int, int],
    drawn: np.random.Generator | None = None,
) -> Background:
    """Fill the unknown and wanted part of a picture in [-1, 1] by continuing its known part.

    Cells of a grid with `shape` are copied from the known part, together with their pixels, whose
    tones then fit the photo's and each other's. Unknown parts that are not wanted are just copied
    from the nearest known cells.
    """
    known = images.box(unknown[..., None].astype(np.float32), shape)[..., 0] == 0
    hole = ~known & (images.box(wanted[..., None].astype(np.float32), shape)[..., 0] > 0)
    small = np.concatenate([images.box(photo, shape), _ROUGH * texture(photo, ~unknown, shape)], -1)
    filling = complete(small, known, hole, drawn)
    lengths = photo.shape[:2]
    row, column = (np.arange(n) * cells // n for n, cells in zip(lengths, shape, strict=True))
    cell = (row[:, None], column[None])
    offset = np.rint(filling.offset[cell] * np.array(lengths) / np.array(shape)).astype(np.int64)
    here = places(lengths)
    there = np.clip(here + offset, 0, np.array(lengths) - 1)
    tone = images.magnified(filling.tone, lengths)
    at = unknown & hole[cell] & ~unknown[there[..., 0], there[..., 1]]
    tone[at] = tones(photo, ~unknown, np.argwhere(at), there - here, tone[at], _PULL)
    copied = np.clip(photo[there[..., 0], there[..., 1]] + tone, -1, 1)
    picture = np.where(unknown[..., None], copied, photo)
    origin = np.where(unknown[..., None], there, here)
    return Background(picture.astype(np.float32), hole[cell], unknown & ~hole[cell], origin)


def places(shape: tuple[int, ...]) -> Int[np.ndarray, "H W 2"]:
    """Each pixel's own row and column, in a picture of a shape."""
    return np.moveaxis(np.indices(shape), 0, -1)
