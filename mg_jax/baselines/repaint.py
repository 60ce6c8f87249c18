"""RePaint (Lugmayr et al. 2022): the forward warp is kept, and only its holes are sampled.

At each level the known pixels are replaced by the warp at that level's noise, and the level is
repeated, with noise added in between, so that filling and surroundings come to agree (the paper's
resampling, with jumps of one level). The guided kernel does both anyway.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, UInt8

from flows.motion import Motion
from flows.warping import forward
from mg_jax.baselines import unguided
from mg_jax.models.patch import coarse_to_fine
from mg_jax.models.patch.settings import PatchSettings, coarse, fine

_RESAMPLINGS = 4
_AGAIN = 400  # of 1000: the time from which the fine grid is sampled


def repaint(
    photo: UInt8[np.ndarray, "h w 3"],
    flow: Float[np.ndarray, "h w 2"],
    key: Key[Array, ""],
    settings: PatchSettings,
) -> UInt8[np.ndarray, "h w 3"]:
    """Sample the warp's holes, from pure noise on the coarse grid, then again on the fine grid."""
    picture, holes = forward(photo, Motion(flow))
    if not holes.any():
        return picture
    task = unguided.task(photo, flow, picture, holes, settings)
    first = unguided.prepared(task, coarse(settings), settings)
    again = fine(settings)._replace(levels=-(-settings.steps // 2), start=_AGAIN)
    second = unguided.prepared(task, again, settings)
    nothing = jnp.zeros_like(first.problem.edit.source)
    start = coarse_to_fine.noised(first, nothing, key[None])
    image, _ = unguided.draw(first, start, key, _RESAMPLINGS, coarse_to_fine.REACH[0])
    key = jax.random.fold_in(key, 1)
    start = coarse_to_fine.noised(second, image, key[None])
    _, matches = unguided.draw(second, start, key, _RESAMPLINGS, coarse_to_fine.REACH[1])
    return unguided.finished(task, matches)
