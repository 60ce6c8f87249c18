"""Processes that end with the one that started them, and not before it."""

import multiprocessing
import os
import signal
import threading


def end_with() -> None:
    """End this process, which another one has started, as soon as that one ends, even if killed.

    Ctrl-C does not end it: a notebook's button that stops a cell sends it to all processes.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
