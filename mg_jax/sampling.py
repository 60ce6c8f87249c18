"""Running a kernel down its schedule: one `lax.scan`, or slices of it."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

import jax

from mg_jax.kernel import Kernel
from mg_jax.types import Info, Problem, Schedule, State

T = TypeVar("T")


class Done(NamedTuple):
    """A level that the device has been asked for."""

    level: int  # its position in the schedule
    state: State  # after it
    info: Info


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


def behind(results: Iterable[T]) -> Iterator[T]:
    """Each result once the next has been asked for.

    JAX computes in the background: the device has its next level before the host waits for what
    this one has to tell.
    """
    results = iter(results)
    for last in results:
        for result in results:
            yield last
            last = result
        yield last
