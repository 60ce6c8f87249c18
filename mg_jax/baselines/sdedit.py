"""SDEdit (Meng et al. 2022): the forward warp, noised to some level and denoised from there.

The warp's holes are first filled from their rim. The noise hides seams and fillings, and the
denoiser makes a likely picture of what is left. There is no guidance: the more noise, the farther
the result may drift from the motion.
"""

import numpy as np
from jaxtyping import Array, Bool, Float, Key, UInt8

from flows.motion import Motion
from flows.warping import forward
from mg_jax.baselines import unguided
from mg_jax.filling import fill
from mg_jax.models.patch import coarse_to_fine
from mg_jax.models.patch.settings import PatchSettings, coarse, fine

_START = 500  # of 1000; the paper recommends a strength of 0.3 to 0.6


def sdedit(
    photo: UInt8[np.ndarray, "h w 3"],
    flow: Float[np.ndarray, "h w 2"],
    region: Bool[np.ndarray, "h w"],
    key: Key[Array, ""],
    settings: PatchSettings,
) -> UInt8[np.ndarray, "h w 3"]:
    """Sample the edit region on the fine grid, from the warp noised to t = 500 of 1000.

    Takes as many levels as the coarse stage of an edit with these settings.
    """
    stage = fine(settings)._replace(start=_START, levels=coarse(settings).levels)
    warped = fill(*forward(photo, Motion(flow)))
    task = unguided.task(photo, flow, np.where(region[..., None], warped, photo), region, settings)
    ready = unguided.prepared(task, stage, settings)
    start = coarse_to_fine.noised(ready, ready.problem.edit.source, key[None])
    _, matches = unguided.draw(ready, start, key, 1, coarse_to_fine.REACH[1])
    return unguided.finished(task, matches)
