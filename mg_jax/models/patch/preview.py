"""The motion carried out at once: layers moved over a continued ground, without diffusion."""

import numpy as np
from jaxtyping import Bool, UInt8

from mg_jax import images
from mg_jax.interfaces import Edited, Request
from mg_jax.models.patch import patch_sources
from mg_jax.models.patch.motion import LayeredMotion, understood
from mg_jax.models.patch.settings import PatchSettings, fine
from mg_jax.models.patch.stage import grid_shape
from mg_jax.sample import Phases


class Preview:
    """The patch model's picture of the motion, as a `Model` that walks no levels."""

    name = "preview"
    settings = PatchSettings()
    reads = frozenset({"order"})

    def check(self, _request: Request) -> None:
        """Nothing can be wrong that is not known."""

    def edit(self, request: Request) -> Phases[Edited]:
        """The same picture for each sample."""
        motion = understood(request.image, request.motion, request.order)
        region = motion.region if request.keep_mask is None else ~request.keep_mask
        picture = preview(request.image, motion, region)
        count = request.keys.shape[0]
        yield from ()
        return Edited(np.stack([picture] * count), region, np.zeros((count, 0, 0, 0), np.float32))


def preview(
    photo: UInt8[np.ndarray, "H W 3"], motion: LayeredMotion, region: Bool[np.ndarray, "H W"]
) -> UInt8[np.ndarray, "H W 3"]:
    """The motion carried out at once, as layers over a continued ground."""
    shape = grid_shape(fine(PatchSettings()), *photo.shape[:2])
    picture = patch_sources.preview(images.to_float(photo), motion, shape)
    return np.where(region[..., None], images.to_uint8(picture), photo)
