"""The edits of a session: put in the queue, followed as they run, and found again."""

import dataclasses
import functools
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int32

from mg_jax import metrics
from mg_jax.interactive import reproduction
from mg_jax.interactive.document import Document
from mg_jax.interactive.jobs import Jobs
from mg_jax.interactive.worker import Edit, Job
from mg_jax.models import registry
from mg_jax.result import Result

Record = dict[str, Any]
"""What is known of an edit: number, status, film, document, notes, verdict, error."""

_MOST = 50  # that are remembered
_OPEN = ("waiting", "compiling", "running")


class Edits:
    """The edits of a session, the oldest first. Safe to use from several threads."""

    def __init__(
        self,
        folder: Path,
        remembered: Iterable[Record],
        edit: Edit,
        tell: Callable[[Record], None],
        patience: float,
    ) -> None:
        """Go on with what is remembered; an edit that was open then has been stopped.

        Args:
            folder: where results are saved.
            remembered: as `records` was when the session was saved.
            edit: makes an edit, as for `Desk`.
            tell: hears of each change of an edit, from other threads.
            patience: seconds from a cancel until the process that edits is ended.
        """
        self._folder, self._tell = folder, tell
        self._records = [
            one | ({"status": "stopped"} if one["status"] in _OPEN else {}) for one in remembered
        ]
        self._live: dict[int, Record] = {}  # what need not be saved of those that run
        self._lock = threading.Lock()
        self._queue = Jobs(edit, self._heard, patience)

    def records(self) -> list[Record]:
        """What is to be saved of all edits."""
        with self._lock:
            return [dict(one) for one in self._records]

    def shown(self) -> list[Record]:
        """What a page shows of all edits."""
        with self._lock:
            return [one | self._live.get(one["number"], {}) for one in self._records]

    def ask(
        self,
        document: Document,
        photo: Path,
        flow: Float32[np.ndarray, "h w 2"],
        order: Int32[np.ndarray, "h w"],
        frames: int,
    ) -> None:
        """Put a document's edit in the queue, and a film of so many frames (0: none)."""
        model, options = registry.find(document.model), _arguments(document)
        ordered = order if "order" in model.accepts else None
        with self._lock:
            number = 1 + max((one["number"] for one in self._records), default=0)
            self._records.append(
                {
                    "number": number,
                    "status": "waiting",
                    "film": frames > 0,
                    "document": document.to_json(),
                    "notes": [],
                    "verdict": "",
                    "error": "",
                }
            )
            del self._records[:-_MOST]
        self._queue.submit(Job(number, photo, flow, ordered, options, self._out(number), frames))

    def cancel(self, number: int) -> None:
        """Stop an edit at its next level, or take it from the queue."""
        self._queue.cancel(number)

    def document(self, number: int) -> Document | None:
        """What an edit was asked to do; None if there is no such edit."""
        with self._lock:
            found = [one["document"] for one in self._records if one["number"] == number]
        return Document.of_json(found[0]) if found else None

    def newest(self) -> Result | None:
        """The result of the newest edit that is done; None if there is none."""
        with self._lock:
            done = [one["number"] for one in self._records if one["status"] == "done"]
        return self._loaded(done[-1]) if done else None

    def result(self, number: int) -> Result:
        """The result of an edit.

        Raises:
            ValueError: there is none that is done.
        """
        return self._loaded(self._done(number))

    def file(self, number: int, name: str) -> Path:
        """A file of an edit's result, which need not exist.

        Raises:
            ValueError: there is no such edit that is done.
        """
        return self._out(self._done(number)) / name

    def close(self) -> None:
        """End the process that edits."""
        self._queue.close()

    def _done(self, number: int) -> int:
        with self._lock:
            done = any(one["number"] == number and one["status"] == "done" for one in self._records)
        if not done:
            raise ValueError(f"job: {number}; expected one that is done")
        return number

    def _out(self, number: int) -> Path:
        return self._folder / str(number)

    @functools.lru_cache(maxsize=2)  # noqa: B019 - as long as the session
    def _loaded(self, number: int) -> Result:
        return Result.load(self._out(number))

    def _heard(self, number: int, kind: str, values: Record) -> None:
        """Hear of an edit as `worker.serve` tells."""
        verdict = metrics.verdict(self._loaded(number).metrics) if kind == "done" else ""
        with self._lock:
            record = next((one for one in self._records if one["number"] == number), None)
            if record is None:
                return
            record["status"] = "running" if kind == "level" else kind
            record |= {name: values[name] for name in ("notes", "error") if name in values}
            record["verdict"] = verdict
            if kind == "level":
                self._live[number] = values
            elif kind == "compiling":
                self._live[number] = {"began": time.time()}
            else:
                self._live.pop(number, None)
            told = record | values
        self._tell(told)


def _arguments(document: Document) -> dict[str, Any]:
    """Further arguments of `mg_jax.edit`, as the document's settings have it."""
    options: dict[str, Any] = dict(reproduction.options(document))
    if (size := options.pop("size", None)) is not None:
        of_model = registry.find(document.model).settings
        options["settings"] = dataclasses.replace(of_model, size=size)
    return options
