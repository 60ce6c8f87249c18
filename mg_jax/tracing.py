"""What a run tells: where it is, while it goes, and what every evaluation did, afterwards."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from mg_jax.types import Info


class Progress(NamedTuple):
    """Where a run is, after each level."""

    done: int
    levels: int
    energy: float  # of the first sample, last repetition
    flow_error: float  # px at 512


class Trace(NamedTuple):
    """What every evaluation did; rows in the order of the run, `b` samples."""

    stage: Int[np.ndarray, " n"]
    level: Int[np.ndarray, " n"]
    repetition: Int[np.ndarray, " n"]
    energy: Float[np.ndarray, "n b"]
    flow: Float[np.ndarray, "n b"]
    color: Float[np.ndarray, "n b"]
    push_norm: Float[np.ndarray, "n b"]


def of_level(info: Info, stage: int, level: int) -> Trace:
    """Rows of a level that ran alone: fields of `info` are [1 k b]."""
    energy = np.asarray(info.energy)[0]
    count = len(energy)
    return Trace(
        np.full(count, stage),
        np.full(count, level),
        np.arange(count),
        energy,
        np.asarray(info.terms.flow)[0],
        np.asarray(info.terms.color)[0],
        np.asarray(info.push_norm)[0],
    )


def joined(rows: Sequence[Trace]) -> Trace:
    """Traces of parts of a run, in its order, as one."""
    return Trace(*(np.concatenate(field) for field in zip(*rows, strict=True)))


def progress(row: Trace, done: int, levels: int) -> Progress:
    """Where a run is after the level that `row` is of."""
    return Progress(done, levels, float(row.energy[-1, 0]), float(row.flow[-1, 0]))
