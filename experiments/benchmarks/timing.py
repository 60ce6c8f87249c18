"""Wall-clock seconds of a compiled function."""

import time
from collections.abc import Callable
from typing import Any

import jax


def seconds(function: Callable[[], Any], repetitions: int) -> tuple[float, ...]:
    """Of so many calls one after the other, each waited for; one before, to warm up, is not kept.

    `function` returns arrays, of JAX or of anything that is ready when the call returns.
    """
    jax.block_until_ready(function())  # type: ignore[no-untyped-call]
    spent = []
    for _ in range(repetitions):
        begin = time.perf_counter()
        jax.block_until_ready(function())  # type: ignore[no-untyped-call]
        spent.append(time.perf_counter() - begin)
    return tuple(spent)
