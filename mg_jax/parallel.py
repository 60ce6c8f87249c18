"""Compilation and devices: what it costs, where it is kept. Nothing else knows of them."""

import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

import jax
from jax.experimental.compilation_cache import compilation_cache

P = ParamSpec("P")
R = TypeVar("R")

_COMPILING = "/jax/core/compile/"


class CompileTime:
    """Seconds in which this process traced, lowered or compiled, in however many threads."""

    seconds = 0.0


_spans: list[tuple[float, float]] = []  # begin and end, apart from one another, in their order
_counting = threading.Lock()


def _listen(event: str, duration_secs: float, **_: str | int) -> None:
    if event.startswith(_COMPILING):
        with _counting:
            end = time.perf_counter()
            begin = end - duration_secs
            while _spans and _spans[-1][1] >= begin:
                begin = min(begin, _spans.pop()[0])
            _spans.append((begin, end))


jax.monitoring.register_event_duration_secs_listener(_listen)


@contextmanager
def compile_time() -> Iterator[CompileTime]:
    """Measure all compilation during the block: its `seconds`, once the block has ended.

    That of other threads, too, which may go on beside the block's own work. A second in which
    several compile is one: it is never more than the block took.
    """
    start = time.perf_counter()
    measured = CompileTime()
    yield measured
    with _counting:
        measured.seconds = sum(end - max(begin, start) for begin, end in _spans if end > start)


def keep_programs(folder: Path | None = None) -> None:
    """Keep compiled programs on disk, so that a new process needs not compile them again.

    In `folder`, else where JAX has been told to ($JAX_COMPILATION_CACHE_DIR does), else in
    mg_jax/programs of $XDG_CACHE_HOME or ~/.cache.
    """
    if folder is not None or not jax.config.values["jax_compilation_cache_dir"]:
        base = os.environ.get("XDG_CACHE_HOME", "")
        cache = (Path(base) if base else Path.home() / ".cache") / "mg_jax" / "programs"
        jax.config.update("jax_compilation_cache_dir", str(folder or cache))  # type: ignore[no-untyped-call]
        compilation_cache.reset_cache()  # else it stays off once something has been compiled
    # The small ones, too: an edit has two hundred, that take 25 ms each to compile, 5 to read.
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)  # type: ignore[no-untyped-call]


_LEAN: dict[str, dict[str, str | bool]] = {
    # XLA by default orders what does not depend on each other as if memory were free: what
    # gradients compute again is computed at once, and a step with Stable Diffusion's networks
    # takes twice the memory.
    "cpu": {"xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED"},
    # XLA by default compiles hundreds of Triton programs for each matrix product, to keep the
    # fastest: minutes, for a step that is no faster.
    "gpu": {"xla_gpu_enable_triton_gemm": False},
}


def jit_lean(function: Callable[P, R], donated: int | tuple[int, ...] = ()) -> Callable[P, R]:
    """Compile a large program for little memory, in little time, as XLA's options allow.

    Buffers of the arguments `donated` may be used for the results.
    """
    return jax.jit(
        function, donate_argnums=donated, compiler_options=_LEAN.get(jax.default_backend())
    )


@contextmanager
def beside() -> Iterator[ThreadPoolExecutor]:
    """A thread that prepares and compiles what comes next, while the device works.

    Work that has not begun when the block ends is dropped; what has begun is waited for, unless
    the user interrupts.
    """
    pool = ThreadPoolExecutor(1)
    wait = True
    try:
        yield pool
    except KeyboardInterrupt:
        wait = False
        raise
    finally:
        pool.shutdown(wait, cancel_futures=True)


def compile_for(program: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> None:
    """Compile a jitted function for such arguments; a later call with such finds it compiled."""
    program.lower(*arguments, **named).compile()  # type: ignore[attr-defined]


def peak_memory() -> int:
    """Most bytes held so far: on the accelerator if there is one, else by this process."""
    statistics = jax.local_devices()[0].memory_stats()
    if statistics and "peak_bytes_in_use" in statistics:
        return int(statistics["peak_bytes_in_use"])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
