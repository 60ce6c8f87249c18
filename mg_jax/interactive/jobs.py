"""The queue of edits, and the process that runs them; a stop that is not heard ends the process."""

import contextlib
import multiprocessing
import queue
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from mg_jax.interactive.worker import CANCEL, STOP, Edit, Job, serve

PATIENCE = 5.0  # seconds from a cancel until the process is ended
_LAST = ("done", "cancelled", "failed")

Tell = Callable[[int, str, dict[str, Any]], None]
"""Hears (number of the job, kind, values), as `worker.serve` tells them."""


class Jobs:
    """Run jobs one after the other in a process of their own, which starts with the first."""

    def __init__(self, edit: Edit, tell: Tell, patience: float = PATIENCE) -> None:
        """`edit` is a function of a module, which the process imports; `tell` hears of all jobs."""
        self._edit, self._tell, self._patience = edit, tell, patience
        self._waiting: queue.Queue[Job | None] = queue.Queue()
        self._queued: set[int] = set()
        self._cancelled: set[int] = set()
        self._running: int | None = None
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Put a job at the end of the queue."""
        with self._lock:
            self._queued.add(job.number)
        self._waiting.put(job)

    def cancel(self, number: int) -> None:
        """Stop a job at its next level, or take it from the queue."""
        with self._lock:
            waits = number in self._queued
            self._queued.discard(number)
            self._cancelled.add(number)
            if self._running == number and self._connection is not None:
                try:
                    self._connection.send(CANCEL)
                except OSError:
                    return  # it has just ended
                timer = threading.Timer(self._patience, self._end, [number])
                timer.daemon = True
                timer.start()
        if waits:
            self._tell(number, "cancelled", {})

    def close(self) -> None:
        """End the process at once; no job is told of any more."""
        self._waiting.put(None)
        with self._lock:
            process, connection = self._process, self._connection
            self._tell = lambda *_: None
        if connection is not None and self._running is None:
            with contextlib.suppress(OSError):  # it has ended by itself
                connection.send(STOP)
        elif process is not None:
            process.kill()
        self._thread.join(timeout=10)
        if process is not None:
            process.join(timeout=10)

    def _end(self, number: int) -> None:
        with self._lock:
            if self._running == number and self._process is not None:
                self._process.kill()

    def _run(self) -> None:
        while (job := self._waiting.get()) is not None:
            connection = self._ready(job.number)
            if connection is None:
                continue
            try:
                connection.send(job)
                kind = ""
                while kind not in _LAST:
                    number, kind, values = connection.recv()
                    if kind in _LAST:
                        with self._lock:
                            self._running = None
                    self._tell(number, kind, values)
            except (EOFError, OSError):
                self._lost(job.number)

    def _ready(self, number: int) -> Connection | None:
        """The process that is to run a job, started if there is none; None if it was cancelled."""
        with self._lock:
            if number not in self._queued:
                return None
            self._queued.discard(number)
            if self._process is None or not self._process.is_alive() or self._connection is None:
                context = multiprocessing.get_context("spawn")
                self._connection, theirs = context.Pipe()
                self._process = context.Process(
                    target=serve, args=(theirs, self._edit), daemon=True
                )
                self._process.start()
                theirs.close()
            self._running = number
            return self._connection

    def _lost(self, number: int) -> None:
        """The process has ended: because it was to, or by itself."""
        with self._lock:
            asked = number in self._cancelled
            self._running = None
            if self._connection is not None:
                self._connection.close()
            self._connection = self._process = None
        if asked:
            self._tell(number, "cancelled", {})
        else:
            error = "the process that ran it has ended; expected more memory, or a smaller size"
            self._tell(number, "failed", {"error": error})
