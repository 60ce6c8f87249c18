"""Running a kernel down its schedule: one `lax.scan`, or slices of it."""

from typing import Any

import jax

from mg_jax.kernel import Kernel
from mg_jax.types import Info, Problem, Schedule, State


def run(
    kernel: Kernel, randomness: Any, state: State, schedule: Schedule, problem: Problem
) -> tuple[State, Info]:
    """All levels of `schedule`, noisiest first; fields of Info gain a leading axis [levels].

    Pure and not jitted. A run cut in two, the second given the first's state and the remaining
    rows of the schedule, is the whole run: noise depends on `state.steps`, not on the cut.
    """

    def level(state: State, row: Schedule) -> tuple[State, Info]:
        return kernel.step(randomness, state, row, problem)

    return jax.lax.scan(level, state, schedule)
