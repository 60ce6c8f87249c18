"""Work in processes of its own: memory is given back, imports and settings are forgotten."""

import contextlib
import fcntl
import multiprocessing
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

SAID = ("RESOURCE_EXHAUSTED", "out of memory", "can't allocate memory")  # by JAX, by PyTorch
_turns: str | None = None  # file that whoever measures has locked; none where nothing is beside


class OutOfMemoryError(ValueError):
    """There was not enough memory."""


def alone(function: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
    """Call in a process of its own.

    Raises:
        OutOfMemoryError: a device had not enough, or the process was killed, as for want of it.
        Exception: what the function raises.
    """
    return _apart(partial(function, *arguments, **named), None)


def several(calls: Sequence[Callable[[], R]], at_once: int) -> Iterator[R | OutOfMemoryError]:
    """Call each in a process of its own, so many `at_once`; results and lack of memory in order.

    What they do inside `turn` they do one after the other: the next ones import and draw meanwhile.

    Raises:
        Exception: what one of them raises, but OutOfMemoryError.
    """
    with tempfile.NamedTemporaryFile(prefix="turns.") as turns:

        def in_process(call: Callable[[], R]) -> R | OutOfMemoryError:
            try:
                return _apart(call, turns.name)
            except OutOfMemoryError as error:
                return error

        with ThreadPoolExecutor(at_once) as pool:
            yield from pool.map(in_process, calls)


def all_of(calls: Sequence[Callable[[], R]], at_once: int) -> list[R]:
    """Results of `several`.

    Raises:
        OutOfMemoryError: there was not enough memory for one of them.
        Exception: what one of them raises.
    """
    results = []
    for result in several(calls, at_once):
        if isinstance(result, OutOfMemoryError):
            raise result
        results.append(result)
    return results


@contextlib.contextmanager
def turn() -> Iterator[None]:
    """Wait until no other process of `several` is in its turn; a process that ends leaves it."""
    if _turns is None:
        yield
        return
    with Path(_turns).open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _apart(work: Callable[[], R], turns: str | None) -> R:
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=_begin, initargs=(turns,)) as pool:
        try:
            return pool.submit(_call, work).result()
        except BrokenProcessPool as error:
            raise OutOfMemoryError(
                f"{_module(work)}: the process was killed; expected enough memory"
            ) from error


def _begin(turns: str | None) -> None:
    global _turns
    _turns = turns


def _call(work: Callable[[], R]) -> R:
    try:
        return work()
    except RuntimeError as error:
        if any(words in str(error) for words in SAID):
            line = str(error).splitlines()[0]
            raise OutOfMemoryError(f"{_module(work)}: {line}; expected enough memory") from None
        raise


def _module(work: Callable[[], R]) -> str:
    return str((work.func if isinstance(work, partial) else work).__module__)
