"""SDEdit (Meng et al. 2022): the forward warp, noised to some level and denoised from there.

The warp's holes are filled from their rim first. Noise hides seams and fillings, and the denoiser
makes a likely picture of what is left; without guidance, so that it may drift from the motion the
more it was noised.
"""

import numpy as np
from jaxtyping import Array, Bool, Float, Key, UInt8

from flows.motion import Motion
from flows.warping import forward
from mg_jax.baselines import unguided
from mg_jax.filling import fill
from mg_jax.models.patch import coarse_to_fine
from mg_jax.models.patch.settings import PatchSettings, coarse, fine

_START = 500  # of 1000: the strength that the paper's authors recommend is .3 to .6


def sdedit(
    photo: UInt8[np.ndarray, "h w 3"],
    flow: Float[np.ndarray, "h w 2"],
    region: Bool[np.ndarray, "h w"],
    key: Key[Array, ""],
    settings: PatchSettings,
) -> UInt8[np.ndarray, "h w 3"]:
    """Sample the edit region from the warp noised to half time, on the fine grid.

    It has as many levels as the coarse stage of an edit with these settings.
    """
    stage = fine(settings)._replace(start=_START, levels=coarse(settings).levels)
    warped = fill(*forward(photo, Motion(flow)))
    task = unguided.task(photo, flow, np.where(region[..., None], warped, photo), region, settings)
    ready = unguided.prepared(task, stage, settings)
    start = coarse_to_fine.noised(ready, ready.problem.edit.source, key[None])
    return unguided.finished(task, unguided.draw(ready, start, key, 1, coarse_to_fine.REACH[1]))
