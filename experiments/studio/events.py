"""Events of the desk, from its threads to every page that listens."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

Event = dict[str, Any]


class Events:
    """Tell all listeners; what is told before `begin` or after `end` is lost."""

    def __init__(self) -> None:
        """Nobody listens yet."""
        self._queues: set[asyncio.Queue[Event | None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start, in the loop in which the listeners are."""
        self._loop = loop

    def end(self) -> None:
        """Let all listeners go; called in the loop."""
        self._spread(None)
        self._loop = None

    def tell(self, event: Event) -> None:
        """Tell an event; from any thread."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._spread, event)

    @contextmanager
    def listening(self) -> Iterator["asyncio.Queue[Event | None]"]:
        """Provide a queue of the events from now on; None is the last."""
        queue: asyncio.Queue[Event | None] = asyncio.Queue()
        self._queues.add(queue)
        try:
            yield queue
        finally:
            self._queues.discard(queue)

    def _spread(self, event: Event | None) -> None:
        for queue in self._queues:
            queue.put_nowait(event)
