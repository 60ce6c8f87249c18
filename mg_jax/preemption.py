"""Notice that the machine wants this process to end, so that a run can be saved first."""

import itertools
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import jax

_ASKED = itertools.count()  # JAX tells processes apart by how often they have asked
STATUS = 143  # what a shell says of a program that SIGTERM has ended


class Preempted(SystemExit):
    """The run was stopped by SIGTERM and is saved; a program that lets it pass ends with 143."""

    def __init__(self) -> None:
        super().__init__(STATUS)


@contextmanager
def watched() -> Iterator[Callable[[], bool]]:
    """Catch SIGTERM while the block runs; yield a function that tells whether it has come.

    With several processes (`jax.distributed`) JAX catches it, and tells all of them at one level:
    each must ask once a level. In a thread other than the main one nothing is caught.
    """
    if jax.distributed.is_initialized():
        yield _of_all_processes()
        return
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    come = threading.Event()

    def note(_signal: int, _frame: FrameType | None) -> None:
        come.set()

    before = signal.signal(signal.SIGTERM, note)
    try:
        yield come.is_set
    finally:
        signal.signal(signal.SIGTERM, before)
    if come.is_set():  # too late for the block to see
        signal.raise_signal(signal.SIGTERM)


def _of_all_processes() -> Callable[[], bool]:
    from jax.experimental import multihost_utils

    return lambda: bool(multihost_utils.reached_preemption_sync_point(next(_ASKED)))
