"""Pictures that take too long to be made while one drags; made in a process beside."""

import multiprocessing
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Int32, UInt8

from flows import nearest
from flows.motion import Motion
from mg_jax import filling, images, photos
from mg_jax.interactive import parent
from mg_jax.models.patch.enlarging import region_of, work_motion
from mg_jax.models.patch.preview import preview

_SIDE = 512  # longer side at which the ground is filled in
_RIM = 3.0  # pixels around an object that hold its soft border


class Composing:
    """Make composed previews; only the newest that was asked for matters."""

    def __init__(self) -> None:
        """The process starts with the first picture."""
        self._pool: ProcessPoolExecutor | None = None
        self._newest: Future[UInt8[np.ndarray, "h w 3"]] | None = None

    def preview(
        self,
        photo: Path,
        flow: Float32[np.ndarray, "h w 2"],
        order: Int32[np.ndarray, "h w"],
    ) -> UInt8[np.ndarray, "h w 3"] | None:
        """As `mg_jax.preview`; None if another was asked for before this one was begun."""
        if self._newest is not None:
            self._newest.cancel()
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                1, multiprocessing.get_context("spawn"), initializer=parent.end_with
            )
        future = self._newest = self._pool.submit(_composed, photo, flow, order)
        try:
            return future.result()
        except CancelledError:
            return None

    def close(self) -> None:
        """Drop what waits; what is being made is waited for, some seconds."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)


def _composed(photo: Path, flow: np.ndarray, order: np.ndarray) -> UInt8[np.ndarray, "h w 3"]:
    pixels = photos.read(photo).pixels
    motion = work_motion(pixels, Motion(flow), order)
    return preview(pixels, motion, region_of(pixels, motion))


def ground(
    photo: UInt8[np.ndarray, "h w 3"], gone: Bool[np.ndarray, "h w"]
) -> UInt8[np.ndarray, "h w 3"]:
    """Fill in what lies behind the objects, quickly, from its rim."""
    height, width = gone.shape
    if not gone.any() or gone.all():
        return photo
    hole = nearest.distance(gone) <= _RIM
    factor = min(1.0, _SIDE / max(height, width))
    shape = max(1, round(factor * height)), max(1, round(factor * width))
    small = images.resize(photo, *shape)
    holes = images.box(hole[..., None].astype(np.float32), shape)[..., 0] > 0
    filled = images.resize(filling.fill(small, np.asarray(holes)), height, width)
    return np.where(hole[..., None], filled, photo)
