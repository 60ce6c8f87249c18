"""Traces: a row an evaluation, in the order of the run."""

import jax.numpy as jnp
import numpy as np

from mg_jax import tracing
from mg_jax.types import Info, Terms


def info(start, repetitions, samples=2):
    """Of a level that ran alone; every number is another."""
    count = repetitions * samples
    numbers = start + jnp.arange(count, dtype=jnp.float32).reshape(1, repetitions, samples)
    return Info(
        numbers,
        Terms(numbers + 100, numbers + 200),
        numbers + 300,
        jnp.zeros((1, samples, 2, 2, 3)),
    )


def test_rows_follow_each_other():
    rows = [tracing.of_level(info(0, 3), 0, 7), tracing.of_level(info(10, 1), 1, 8)]
    whole = tracing.joined(rows)
    np.testing.assert_array_equal(whole.stage, [0, 0, 0, 1])
    np.testing.assert_array_equal(whole.level, [7, 7, 7, 8])
    np.testing.assert_array_equal(whole.repetition, [0, 1, 2, 0])
    np.testing.assert_array_equal(whole.energy, [[0, 1], [2, 3], [4, 5], [10, 11]])
    for field, more in ((whole.flow, 100), (whole.color, 200), (whole.push_norm, 300)):
        np.testing.assert_array_equal(field, whole.energy + more)


def test_progress_is_the_first_samples_last_repetition():
    row = tracing.of_level(info(0, 3), 0, 0)
    assert tracing.progress(row, 4, 9) == (4, 9, 4.0, 104.0)
