"""Work in a process of its own: memory is given back, imports and settings are forgotten."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

SAID = ("RESOURCE_EXHAUSTED", "out of memory", "can't allocate memory")  # by JAX, by PyTorch


class OutOfMemoryError(ValueError):
    """There was not enough memory."""


def alone(function: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
    """Call in a process of its own.

    Raises:
        OutOfMemoryError: a device had not enough, or the process was killed, as for want of it.
        Exception: what the function raises.
    """
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        try:
            return pool.submit(_call, partial(function, *arguments, **named)).result()
        except BrokenProcessPool as error:
            raise OutOfMemoryError(
                f"{function.__module__}: the process was killed; expected enough memory"
            ) from error


def _call(work: partial[R]) -> R:
    try:
        return work()
    except RuntimeError as error:
        if any(words in str(error) for words in SAID):
            line = str(error).splitlines()[0]
            raise OutOfMemoryError(
                f"{work.func.__module__}: {line}; expected enough memory"
            ) from None
        raise
