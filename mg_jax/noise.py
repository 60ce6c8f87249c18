"""Where the sampler's noise comes from: a key for each sample, or a recording to replay."""

from enum import IntEnum

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from mg_jax.types import Latent


class Draw(IntEnum):
    """The noises of one recursion, in the reference's order (it draws DDIM's even at η = 0)."""

    SOURCE = 0
    DDIM = 1
    RENOISE = 2


def keys(seed: int, samples: int) -> Key[Array, " b"]:
    """One key a sample: sample i of a run with seed s draws what a run with seed s + i draws.

    Raises:
        ValueError: a seed outside 0..2³² − 1.
    """
    if not 0 <= seed <= 2**32 - samples:
        raise ValueError(f"seed: {seed} is outside 0..{2**32 - samples}")
    return jax.vmap(jax.random.key)(jnp.uint32(seed) + jnp.arange(samples, dtype=jnp.uint32))


def start(keys: Key[Array, " b"], shape: tuple[int, ...]) -> Latent:
    """Noise to start sampling from, `shape` [b h w c]; no step's draw repeats it.

    Raises:
        ValueError: another number of keys than samples.
    """
    return _draw(jax.vmap(lambda key: jax.random.fold_in(key, 2**31 - 1))(keys), shape)


def gaussian(
    keys: Key[Array, " b"], step: Int[Array, ""], draw: int, shape: tuple[int, ...]
) -> Latent:
    """Standard normal noise, `shape` [b h w c], a function of sample key, step and draw alone.

    Raises:
        ValueError: another number of keys than samples.
    """
    folded = jax.vmap(lambda key: jax.random.fold_in(jax.random.fold_in(key, step), draw))(keys)
    return _draw(folded, shape)


def replay(
    recording: Float[Array, "steps draws b h w c"],
    step: Int[Array, ""],
    draw: int,
    shape: tuple[int, ...],
) -> Latent:
    """Noise of another program's run, repeated number by number; NaN after the recording's end.

    Raises:
        ValueError: a recording whose draws are not of `shape`, or that lacks this draw.
    """
    if draw >= recording.shape[1]:
        raise ValueError(f"recording: {recording.shape[1]} draws a step, expected {draw + 1}")
    if recording.shape[2:] != shape:
        raise ValueError(f"recording: draws of shape {recording.shape[2:]}, expected {shape}")
    return recording.at[step, draw].get(mode="fill")


def _draw(keys: Key[Array, " b"], shape: tuple[int, ...]) -> Latent:
    # One key would otherwise broadcast: every sample the same noise.
    if keys.size != shape[0]:
        raise ValueError(f"keys: {keys.size} for {shape[0]} samples")
    return jax.vmap(lambda key: jax.random.normal(key, shape[1:]))(keys)
