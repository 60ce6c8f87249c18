"""A motion by degrees: frames of one film have one cut-out object and one filled-in ground."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from flows.motion import Motion
from flows.partial import partial
from mg_jax import images
from mg_jax.interfaces import Request
from mg_jax.models.patch import background
from mg_jax.models.patch.enlarging import work_motion, work_photo
from mg_jax.models.patch.motion import LayeredMotion
from mg_jax.models.patch.patch_sources import Scene, scene
from mg_jax.models.patch.settings import PatchSettings, fine
from mg_jax.models.patch.stage import grid_shape


class Frame(NamedTuple):
    """A frame that is to be made."""

    motion: LayeredMotion  # the frame's part of it
    apart: Scene  # the photo, with the same cut-out and ground in all frames


def of_request(
    request: Request, settings: PatchSettings, shares: Sequence[float]
) -> Iterator[Frame]:
    """Prepare the frames of a request, at its photo's working size."""
    motion = work_motion(request.image, request.motion, request.order)
    work = work_photo(request.image, motion.moving.shape)
    return frames(work, motion, grid_shape(fine(settings), *work.shape[:2]), shares)


def frames(
    photo: UInt8[np.ndarray, "H W 3"],
    motion: LayeredMotion,
    shape: tuple[int, int],
    shares: Sequence[float],
) -> Iterator[Frame]:
    """Prepare a frame for each share of the motion, 0 to 1.

    The ground is filled in once, wherever the object was, on the cells of a grid with `shape`: so
    what is behind the object does not change from frame to frame. A photo that moves as a whole has
    no ground, and what it uncovers may flicker.
    """
    apart = scene(images.to_float(photo), motion, shape, drawn=0)
    filled = [
        background.everywhere(images.to_float(photo), apart.cut, motion, shape)
        for _ in apart.grounds
    ]
    for share in shares:
        part = partly(motion, share)
        grounds = tuple(background.uncovered(ground, part) for ground in filled)
        yield Frame(part, Scene(apart.cut, grounds))


def partly(motion: LayeredMotion, share: float) -> LayeredMotion:
    """Carry a motion out in part; what moves keeps its layers."""
    flow = partial(motion.flow, motion.moving, share, motion.order)
    return motion._replace(flow=flow, landed=Motion(flow).destination)
