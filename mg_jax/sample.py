"""The one loop over noise levels, for every model, for inversion and null-text optimisation.

A model is a generator of phases: it yields a `Phase`, is sent the state in which that ended, yields
the next one, and returns what it came to. `steps` walks all of them and yields a `Step` for each
level: progress, callbacks and histories hang on it. `scan` is a phase in one compiled program.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np
from jaxtyping import UInt8

from mg_jax.kernel import Kernel
from mg_jax.types import Info, Latent, Problem, Schedule, State

T = TypeVar("T")
R = TypeVar("R")


class Phase(NamedTuple):
    """A walk over noise levels."""

    name: str  # "inversion", "null_text", "sampling"
    levels: range  # positions in the schedule, as they are walked
    start: Any  # state before the first
    step: Callable[[int, Any], tuple[Any, Info | None]]
    """(position, state) -> state after the level, and what was done; may return before it is."""
    picture: Callable[[Any, Info | None], UInt8[np.ndarray, "b h w 3"]]
    """(state after a level, info) -> what the level takes the result for, at any size."""


class Step(NamedTuple):
    """A level that was walked."""

    phase: str
    level: int  # its position in the schedule
    done: int  # levels of the phase walked so far, this one among them
    levels: int  # of the phase
    info: Info | None  # of one level, fields [k b]; None where nothing guides
    state: Any  # after it
    picture: Callable[[], UInt8[np.ndarray, "b h w 3"]]  # computed when it is called


Phases = Generator[Phase, Any, R]
"""What a model does: yields phases, is sent each one's last state, returns its result."""


def steps(phases: Phases[R]) -> Generator[Step, None, R]:
    """Walk all levels of all phases; returns what `phases` returns.

    A step is yielded once the next level has been started, so that the device stays busy. Closing
    the generator, or raising in it, stops the run.
    """
    state: Any = None
    try:
        while True:
            try:
                phase = phases.send(state)
            except StopIteration as end:
                result: R = end.value
                return result
            state = phase.start
            for step in one_late(_levels(phase)):
                yield step
                state = step.state
    finally:
        phases.close()


def estimate(
    decoded: Callable[[Latent], UInt8[np.ndarray, "b h w 3"]],
) -> Callable[[Any, Info | None], UInt8[np.ndarray, "b h w 3"]]:
    """`Phase.picture` of a guided phase whose steps are `scan`s of one level: x̂0, decoded."""

    def picture(_state: Any, info: Info | None) -> UInt8[np.ndarray, "b h w 3"]:
        assert info is not None
        return decoded(info.clean[0])

    return picture


def run(phases: Phases[R], callback: Callable[[Step], None]) -> R:
    """Walk all phases to their end, and call `callback` with each step; what it raises ends it."""
    walk = steps(phases)
    try:
        while True:
            try:
                step = next(walk)
            except StopIteration as end:
                result: R = end.value
                return result
            callback(step)
    finally:
        walk.close()


def scan(
    kernel: Kernel, randomness: Any, state: State, schedule: Schedule, problem: Problem
) -> tuple[State, Info]:
    """All levels of `schedule`, noisiest first; fields of Info gain a leading axis [levels].

    Pure and not jitted. A run cut in two, the second given the first's state and the remaining
    rows of the schedule, is the whole run: noise depends on `state.steps`, not on the cut.
    """

    def level(state: State, row: Schedule) -> tuple[State, Info]:
        return kernel.step(randomness, state, row, problem)

    return jax.lax.scan(level, state, schedule)


def one_late(results: Iterable[T]) -> Iterator[T]:
    """Yield each result one late: when the next has been asked for.

    JAX computes in the background: the device has its next level before the host waits for what
    this one did.
    """
    results = iter(results)
    for last in results:
        for result in results:
            yield last
            last = result
        yield last


def _levels(phase: Phase) -> Iterator[Step]:
    state = phase.start
    for done, level in enumerate(phase.levels, 1):
        state, info = phase.step(level, state)
        yield Step(
            phase.name,
            level,
            done,
            len(phase.levels),
            info,
            state,
            lambda state=state, info=info: phase.picture(state, info),  # type: ignore[misc]
        )
