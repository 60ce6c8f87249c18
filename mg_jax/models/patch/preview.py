"""Preview of a motion: layers moved over a filled-in background, without diffusion."""

import numpy as np
from jaxtyping import Bool, UInt8

from mg_jax import images
from mg_jax.interfaces import ModelResult, Request
from mg_jax.models.patch import patch_sources
from mg_jax.models.patch.enlarging import enlarged, region_of, work_motion, work_photo
from mg_jax.models.patch.motion import LayeredMotion
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
        region = region_of(request.image, motion, request.keep_mask)
        picture = preview(request.image, motion, region)
        count = request.keys.shape[0]
        yield from ()
        return ModelResult(
            np.stack([picture] * count), region, np.zeros((count, 0, 0, 0), np.float32)
        )


def preview(
    photo: UInt8[np.ndarray, "H W 3"], motion: LayeredMotion, region: Bool[np.ndarray, "H W"]
) -> UInt8[np.ndarray, "H W 3"]:
    """Move the photo's layers over its filled-in background, inside `region`.

    `motion` may have a smaller size than the photo, at which all is computed but the last copy.
    """
    shape = grid_shape(fine(PatchSettings()), *photo.shape[:2])
    work = work_photo(photo, motion.moving.shape)
    made = patch_sources.preview(images.to_float(work), motion, shape)
    return enlarged(photo, region, images.to_uint8(made.picture), made.origin)
