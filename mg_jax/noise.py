"""The sampler's noise: drawn with a key for each sample, or replayed from a recording."""

from enum import IntEnum

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from mg_jax.types import Latent


class Draw(IntEnum):
    """The draws of noise in one recursion, in the reference's order.

    It draws DDIM's even at η = 0, where it is not used.
    """

    SOURCE = 0
    DDIM = 1
    RENOISE = 2


def keys(seed: int, samples: int) -> Key[Array, " b"]:
    """Make a key for each sample: sample i with seed s draws the same as sample 0 with seed s + i.

    Raises:
        ValueError: a sample's seed is outside 0..2³² − 1.
    """
    if not 0 <= seed <= 2**32 - samples:
        raise ValueError(f"seed: {seed} is outside 0..{2**32 - samples}")
    return jax.vmap(jax.random.key)(jnp.uint32(seed) + jnp.arange(samples, dtype=jnp.uint32))


def start(keys: Key[Array, " b"], shape: tuple[int, ...]) -> Latent:
    """Noise to start sampling from, of `shape` [b h w c]; different from that of all steps.

    Raises:
        ValueError: the numbers of keys and samples differ.
    """
    return _draw(jax.vmap(lambda key: jax.random.fold_in(key, 2**31 - 1))(keys), shape)


def gaussian(
    keys: Key[Array, " b"], step: Int[Array, ""], draw: int, shape: tuple[int, ...]
) -> Latent:
    """Standard normal noise of `shape` [b h w c]; depends only on sample key, step and draw.

    Raises:
        ValueError: the numbers of keys and samples differ.
    """
    folded = jax.vmap(lambda key: jax.random.fold_in(jax.random.fold_in(key, step), draw))(keys)
    return _draw(folded, shape)


def replay(
    recording: Float[Array, "steps draws b h w c"],
    step: Int[Array, ""],
    draw: int,
    shape: tuple[int, ...],
) -> Latent:
    """Replay the recorded noise of another program's run; NaN after the recording's end.

    Raises:
        ValueError: the recording's draws are not of `shape`, or it lacks this draw.
    """
    if draw >= recording.shape[1]:
        raise ValueError(f"recording: {recording.shape[1]} draws a step, expected {draw + 1}")
    if recording.shape[2:] != shape:
        raise ValueError(f"recording: draws of shape {recording.shape[2:]}, expected {shape}")
    return recording.at[step, draw].get(mode="fill")


def _draw(keys: Key[Array, " b"], shape: tuple[int, ...]) -> Latent:
    # A single key would otherwise broadcast, and all samples would get the same noise.
    if keys.size != shape[0]:
        raise ValueError(f"keys: {keys.size} for {shape[0]} samples")
    return jax.vmap(lambda key: jax.random.normal(key, shape[1:]))(keys)
