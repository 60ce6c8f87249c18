"""Orbax without its log, imported when it is needed."""

import contextlib
import logging
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def quiet() -> Iterator[Any]:
    """Provide Orbax's API, with its logging turned off while the block runs.

    After a failure of a disk it stays off, as Orbax's threads end, and complain, later.
    """
    from orbax.checkpoint import v1 as ocp  # type: ignore[import-untyped] # slow to import

    loggers = [logging.getLogger(name) for name in ("absl", "asyncio")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    failed = False
    try:
        yield ocp
    except (OSError, ValueError):
        failed = True
        raise
    finally:
        if not failed:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
