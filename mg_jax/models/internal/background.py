"""The photo without its moving object: its background goes on where the object has left."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from flows import nearest
from flows.masks import destination, solid
from mg_jax import images
from mg_jax.models.internal.completion import complete
from mg_jax.models.internal.matting import stained

# As a share of the picture's size: so far behind where the object lands the background goes on.
_BEHIND = 1 / 64


class Background(NamedTuple):
    """Where each pixel is copied from in the photo: where nothing moves, from itself."""

    origin: Float[np.ndarray, "H W 2"]  # (x, y)
    tone: Float[np.ndarray, "H W 3"]  # added to what is copied, in units of [-1, 1]
    left: Bool[np.ndarray, "H W"]  # where the object has left, and a rim of where it lands


def behind(
    photo: Float[np.ndarray, "H W 3"], flow: Float[np.ndarray, "H W 2"], shape: tuple[int, int]
) -> Background:
    """The background of a flow's object; the photo in [-1, 1].

    `shape` is of the grid in whose cells it is found: coarse ones are found sooner.
    """
    size = float(np.sqrt(photo.shape[0] * photo.shape[1]))
    gone = stained(photo, solid(flow))
    covered = nearest.distance(~destination(flow)) > _BEHIND * size
    known = images.box(gone[..., None].astype(np.float32), shape)[..., 0] == 0
    hole = ~known & (images.box(covered[..., None].astype(np.float32), shape)[..., 0] < 1)
    filling = complete(images.box(photo, shape), known, hole)
    lengths = photo.shape[:2]
    row, column = (np.arange(n) * cells // n for n, cells in zip(lengths, shape, strict=True))
    cell = (row[:, None], column[None])
    offset = np.rint(filling.offset[cell] * np.array(lengths) / np.array(shape)).astype(np.int64)
    here = np.moveaxis(np.indices(lengths), 0, -1)
    copied = (hole[cell] & gone)[..., None]
    origin = np.where(copied, np.clip(here + offset, 0, np.array(lengths) - 1), here)
    tone = np.where(copied, filling.tone[cell], np.float32(0))
    return Background(origin[..., ::-1].astype(np.float32), tone, hole[cell])
