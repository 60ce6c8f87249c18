"""Position encoding: sines and cosines of a feature's place in its window, added to it."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from flows.gmflow.grids import Side

_LONGEST = 10000.0  # longest over shortest wavelength, approached with many channels


def added(x: Float[Array, "b h w c"], down: Side, across: Side) -> Float[Array, "b h w c"]:
    """Add to each feature the encoding of its position in its window."""
    _, h, w, c = x.shape
    rows, columns = (
        encoding(size // side.splits, side.period, c // 2)
        for size, side in ((h, down), (w, across))
    )
    window = np.concatenate(np.broadcast_arrays(rows[:, None, :], columns[None, :, :]), -1)
    return x + jnp.tile(jnp.asarray(window, x.dtype), (down.splits, across.splits, 1))[None]


def encoding(size: int, period: int, channels: int) -> Float[np.ndarray, "{size} {channels}"]:
    """Interleaved sines and cosines of waves over the places in a window.

    The shortest wave turns once in `period` places; the window is in their middle.
    """
    # The published code's small addend, kept so that the numbers agree.
    place = 2 * np.pi * (np.arange(1, size + 1) + (period - size) / 2) / (period + 1e-6)
    lengths = _LONGEST ** (2 * np.arange(channels // 2) / channels)
    angle = place[:, None] / lengths[None]
    waves: np.ndarray = np.stack([np.sin(angle), np.cos(angle)], -1).reshape(size, channels)
    return waves
