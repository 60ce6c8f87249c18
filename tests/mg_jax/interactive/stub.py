"""Stands for `mg_jax.edit` in the worker: quick, seen level by level, deaf on request."""

import time

import numpy as np

from flows.motion import Motion
from mg_jax import arguments, history
from mg_jax.filling import carried_out
from mg_jax.result import Result
from mg_jax.sample import Step

LEVELS = 4
DEAF = 13  # the seed with which a level does not end
LONG = 12  # the seed with which there are many
BAD = 11  # the seed with which it fails


def edit(image, flow, seed=0, *, callback, samples=1, **_options):
    """Carry the flow out, and pretend to have needed several levels."""
    photo = arguments.photo(image)
    if seed == BAD:
        raise ValueError("seed: 11; expected a better one")
    made = carried_out(photo.pixels, Motion(flow))
    levels = 400 if seed == LONG else LEVELS
    for level in range(levels):
        time.sleep(60 if seed == DEAF else 0.05)
        callback(Step("sampling", level, level + 1, levels, None, None, lambda: made[None]))
    return Result(
        image=made,
        images=np.stack([made] * samples),
        source=photo.pixels,
        flow=flow,
        region=np.ones(flow.shape[:2], bool),
        estimate=flow,
        latents=np.zeros((samples, 0, 0, 0), np.float32),
        history=history.joined([], samples),
        metrics={"flow_l1_px": 0.25, "judged_moved": 1.0, "model": "stub", "seconds": 0.2},
        settings={},
        seed=seed,
        original=photo.original,
    )
