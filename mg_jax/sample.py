"""The one loop over noise levels, for every model, for inversion and null-text optimisation.

A model is a generator of phases: it yields a `Phase`, is sent the phase's last state, yields the
next phase, and finally returns its result. `steps` walks all phases and yields a `Step` for each
level, which progress, callbacks and histories use. `scan` runs levels in one compiled program.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
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
    levels: Sequence[int]  # positions in the schedule, in the order in which they are walked
    start: Any  # state before the first level
    step: Callable[[int, Any], tuple[Any, Info | None]]
    """(position, state) -> state after the level, and its info; JAX may still be computing them."""
    picture: Callable[[Any, Info | None], UInt8[np.ndarray, "b h w 3"]]
    """(state after a level, info) -> the level's estimate of the result, at any size."""
    examples: Sequence[int] | None = None
    """Levels that between them run every program of the phase; None: not known, it may be all."""


class Step(NamedTuple):
    """A level that has been run."""

    phase: str  # its name
    level: int  # position in the schedule
    done: int  # levels of the phase run so far, including this one
    levels: int  # number of levels in the phase
    info: Info | None  # of guided phases, fields [1 k b]; None where nothing guides
    state: Any  # after the level
    picture: Callable[[], UInt8[np.ndarray, "b h w 3"]]  # computed when it is called


Phases = Generator[Phase, Any, R]
"""The generator of a model's run: yields phases, is sent each one's last state, returns R."""

Resume = Callable[[Phase], tuple[int, Any]]
"""(phase) -> levels of it that are done already, and the state after them."""


def from_start(phase: Phase) -> tuple[int, Any]:
    """Begin a phase with its first level: the `Resume` of a new run."""
    return 0, phase.start


def steps(phases: Phases[R], resume: Resume = from_start) -> Generator[Step, None, R]:
    """Walk all levels of all phases, yielding a step for each; return what `phases` returns.

    `resume` says where each phase goes on. Steps are yielded one late, when the next level has been
    started, so that the device stays busy. Closing the generator, or raising in it, stops the run.
    """
    state: Any = None
    try:
        while True:
            try:
                phase = phases.send(state)
            except StopIteration as end:
                result: R = end.value
                return result
            done, state = resume(phase)
            for step in delayed(_levels(phase, done, state)):
                yield step
                state = step.state
    finally:
        phases.close()


def shortened(phases: Phases[R]) -> Phases[R]:
    """The same run, but of `examples` only: for its programs, not its result."""
    state: Any = None
    while True:
        try:
            phase = phases.send(state)
        except StopIteration as end:
            result: R = end.value
            return result
        state = yield phase._replace(levels=phase.examples or phase.levels)


def estimate(
    decoded: Callable[[Latent], UInt8[np.ndarray, "b h w 3"]],
) -> Callable[[Any, Info | None], UInt8[np.ndarray, "b h w 3"]]:
    """Make `Phase.picture` for a guided phase whose steps are `scan`s of one level: x̂0, decoded."""

    def picture(_state: Any, info: Info | None) -> UInt8[np.ndarray, "b h w 3"]:
        assert info is not None
        return decoded(info.clean[0])

    return picture


def run(phases: Phases[R], callback: Callable[[Step], None], resume: Resume = from_start) -> R:
    """Walk all phases, calling `callback` with each step; return what `phases` returns.

    `resume` says where each phase goes on. An exception that the callback raises stops the run.
    """
    walk = steps(phases, resume)
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
    """Run all levels of `schedule`, noisiest first; fields of Info gain a leading axis [levels].

    Pure and not jitted. A run may be split: pass the first part's state, and the remaining rows of
    the schedule, to the second. The result is the same, as noise depends on `state.steps`.
    """

    def level(state: State, row: Schedule) -> tuple[State, Info]:
        return kernel.step(randomness, state, row, problem)

    return jax.lax.scan(level, state, schedule)


def delayed(results: Iterable[T]) -> Iterator[T]:
    """Yield each result one late, when the next has been started, so that the device stays busy.

    JAX computes in the background: the device has its next level before the host waits for the
    values of this one.
    """
    results = iter(results)
    for last in results:
        for result in results:
            yield last
            last = result
        yield last


def _levels(phase: Phase, skipped: int, state: Any) -> Iterator[Step]:
    """Run the levels of a phase that are left, from the state after the first `skipped`."""
    for done, level in enumerate(phase.levels[skipped:], skipped + 1):
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
