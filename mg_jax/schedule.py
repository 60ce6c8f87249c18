"""Noise schedules as data (DDIM, Song et al. 2021, with Stable Diffusion's ᾱ)."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from mg_jax.types import Schedule

TRAIN_LEVELS = 1000


def stable_diffusion_alphas() -> Float[np.ndarray, " train"]:
    """ᾱ at the 1000 training times: betas are linspace(√.00085, √.0120, 1000)², in float64."""
    betas = np.linspace(0.00085**0.5, 0.0120**0.5, TRAIN_LEVELS, dtype=np.float64) ** 2
    return np.cumprod(1.0 - betas)


def from_times(
    times: Int[np.ndarray, " levels"],
    final_alpha: float,
    ramp: Float[np.ndarray, " _"] | None = None,
) -> Schedule:
    """Schedule that visits the given training times.

    `times` are strictly decreasing, in [0, 1000); `final_alpha` is the ᾱ that the last level steps
    to; `ramp` multiplies the guidance weight at each level (default: ones). Fields are float32, or
    float64 if JAX is configured for it.

    Raises:
        ValueError: times are out of range or not decreasing, or the ramp has another length.
    """
    if times.size == 0 or times.max() >= TRAIN_LEVELS or times.min() < 0:
        raise ValueError(f"times: {times.tolist()} leave [0, {TRAIN_LEVELS})")
    if np.any(np.diff(times) >= 0):
        raise ValueError("times: expected strictly falling values, noisiest first")
    if ramp is not None and ramp.shape != times.shape:
        raise ValueError(f"ramp: {ramp.size} values for {times.size} levels")
    alphas = stable_diffusion_alphas()[times]
    ones = np.ones(times.shape)
    return Schedule(
        position=jnp.arange(times.size, dtype=jnp.int32),
        t=jnp.asarray(times, float),
        alpha=jnp.asarray(alphas, float),
        alpha_prev=jnp.asarray(np.append(alphas[1:], final_alpha), float),
        ramp=jnp.asarray(ones if ramp is None else ramp, float),
    )


def ddim(levels: int, ramp: Float[np.ndarray, " levels"] | None = None) -> Schedule:
    """The reference's schedule: "uniform" times plus one, the last step to ᾱ[0] (not to 1).

    500 levels are t = 999, 997, …, 1. If `levels` does not divide 1000, the times are spread over
    the whole range, too, while the reference makes another number of levels.

    Raises:
        ValueError: `levels` is outside 1..999, or the ramp has another length.
    """
    if not 1 <= levels < TRAIN_LEVELS:
        raise ValueError(f"levels: {levels} is outside 1..{TRAIN_LEVELS - 1}")
    times = np.arange(levels)[::-1] * TRAIN_LEVELS // levels + 1
    return from_times(times, float(stable_diffusion_alphas()[0]), ramp)


def even(levels: int, start: int) -> Schedule:
    """`levels` times spread evenly from `start` to 1; the last step goes to the clean image.

    Raises:
        ValueError: fewer than 1 level, or a start that leaves no room for them.
    """
    if not 1 <= levels <= start < TRAIN_LEVELS:
        raise ValueError(f"levels, start: {levels}, {start}; expected 1 <= levels <= start < 1000")
    return from_times(np.linspace(start, 1, levels).round().astype(np.int64), final_alpha=1.0)


def rows(schedule: Schedule, start: int, stop: int) -> Schedule:
    """Levels `start` to `stop` (exclusive) of a schedule; they keep their `position`."""
    return Schedule(*(field[start:stop] for field in schedule))
