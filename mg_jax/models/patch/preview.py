"""Preview of a motion: layers moved over a filled-in background, without diffusion."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool, UInt8

from mg_jax import images
from mg_jax.interfaces import ModelResult, Request
from mg_jax.models.patch import film, patch_sources
from mg_jax.models.patch.enlarging import enlarged, region_of, work_motion, work_photo
from mg_jax.models.patch.motion import LayeredMotion
from mg_jax.models.patch.patch_sources import Scene
from mg_jax.models.patch.settings import PatchSettings, fine
from mg_jax.models.patch.stage import grid_shape
from mg_jax.sample import Phases


class Preview:
    """The preview as a `Model` that walks no noise levels."""

    name = "preview"
    settings = PatchSettings()
    accepts = frozenset({"order"})

    def check(self, request: Request) -> Request:
        """Accept every request: all that matters has been checked before."""
        return request

    def edit(self, request: Request) -> Phases[ModelResult]:
        """Return the same picture for each sample, without any phase."""
        motion = work_motion(request.image, request.motion, request.order)
        return (yield from _edit(request, motion))

    def film(self, request: Request, shares: Sequence[float]) -> Iterator[Phases[ModelResult]]:
        """Make each frame of the same layers over the same background."""
        for frame in film.of_request(request, self.settings, shares):
            yield _edit(request, frame.motion, frame.apart)


def _edit(
    request: Request, motion: LayeredMotion, apart: Scene | None = None
) -> Phases[ModelResult]:
    region = region_of(request.image, motion, request.keep_mask)
    picture = preview(request.image, motion, region, apart)
    count = request.keys.shape[0]
    yield from ()
    return ModelResult(np.stack([picture] * count), region, np.zeros((count, 0, 0, 0), np.float32))


def preview(
    photo: UInt8[np.ndarray, "H W 3"],
    motion: LayeredMotion,
    region: Bool[np.ndarray, "H W"],
    apart: Scene | None = None,
) -> UInt8[np.ndarray, "H W 3"]:
    """Move the photo's layers over its filled-in background, inside `region`.

    `motion` may have a smaller size than the photo, at which all is computed but the last copy. A
    photo that was taken `apart` before is not taken apart again.
    """
    work = work_photo(photo, motion.moving.shape)
    shape = grid_shape(fine(PatchSettings()), *photo.shape[:2])
    made = patch_sources.preview(images.to_float(work), motion, shape, apart)
    return enlarged(photo, region, images.to_uint8(made.picture), made.origin)
