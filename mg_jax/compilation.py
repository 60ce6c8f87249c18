"""Compilation (its time, its cache, a thread beside the device's work) and peak memory."""

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
from etils import epath
from jax.experimental.compilation_cache import compilation_cache

P = ParamSpec("P")
R = TypeVar("R")

_COMPILING = "/jax/core/compile/"


class CompileTime:
    """Seconds in which this process traced, lowered or compiled, in any thread."""

    seconds = 0.0


_spans: list[tuple[float, float]] = []  # begin and end, in order, without overlaps
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
    """Measure the compilation during the block; read `seconds` after the block has ended.

    Includes other threads. Time in which several threads compile counts once, so that the result is
    never more than the block took.
    """
    start = time.perf_counter()
    measured = CompileTime()
    yield measured
    with _counting:
        measured.seconds = sum(end - max(begin, start) for begin, end in _spans if end > start)


@contextmanager
def spent() -> Iterator[dict[str, float]]:
    """Measure the block; when it has ended, the dict has its seconds and the peak memory, bytes."""
    figures: dict[str, float] = {}
    start = time.perf_counter()
    with compile_time() as compiling:
        yield figures
    figures |= {
        "seconds": time.perf_counter() - start,
        "seconds_compile": compiling.seconds,
        "peak_memory_bytes": peak_memory(),
    }


def keep_programs(folder: str | Path | None = None) -> None:
    """Keep compiled programs on disk, so that a new process need not compile them again.

    In `folder`, which may be a bucket (gs://bucket/programs, s3://…), so that a new machine finds
    them, too; by default where JAX is configured to ($JAX_COMPILATION_CACHE_DIR), or else in
    mg_jax/programs in $XDG_CACHE_HOME or ~/.cache. JAX runs what lies there: use no folder that
    others may write to.

    Raises:
        ValueError: `folder` cannot be made.
    """
    if folder is not None:
        _make(str(folder))
    if folder is not None or not jax.config.values["jax_compilation_cache_dir"]:
        base = os.environ.get("XDG_CACHE_HOME", "")
        cache = (Path(base) if base else Path.home() / ".cache") / "mg_jax" / "programs"
        jax.config.update("jax_compilation_cache_dir", str(folder or cache))  # type: ignore[no-untyped-call]
        compilation_cache.reset_cache()  # else it stays off once something has been compiled
    # Keep small programs, too: an edit has two hundred, 25 ms each to compile, 5 ms to read.
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)  # type: ignore[no-untyped-call]


def _make(folder: str) -> None:
    """Make the folder as JAX would; what JAX only warns of, at each program, is refused here."""
    try:
        epath.Path(folder).mkdir(parents=True, exist_ok=True)
    except Exception as error:  # each kind of bucket has its own
        raise ValueError(
            f"programs: {folder}: {error}; expected a folder that can be written, or a bucket as"
            " gs://bucket/programs"
        ) from error


_LEAN: dict[str, dict[str, str | bool]] = {
    # By default XLA orders independent operations without regard to memory: what gradients
    # recompute is then recomputed too early, and a step with Stable Diffusion's networks takes
    # twice the memory.
    "cpu": {"xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED"},
    # By default XLA compiles hundreds of Triton programs for each matrix product, to keep the
    # fastest: this takes minutes, and the step is no faster.
    "gpu": {"xla_gpu_enable_triton_gemm": False},
}


def jit_lean(function: Callable[P, R], donated: int | tuple[int, ...] = ()) -> Callable[P, R]:
    """Jit a large function with XLA options for low memory use and short compilation.

    Buffers of the arguments numbered `donated` may be reused for the results.
    """
    return jax.jit(
        function, donate_argnums=donated, compiler_options=_LEAN.get(jax.default_backend())
    )


@contextmanager
def background_thread() -> Iterator[ThreadPoolExecutor]:
    """Provide a thread that prepares and compiles what comes next while the device works.

    When the block ends, work that has not begun is dropped; work that has begun is waited for,
    unless the user interrupts.
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
    """Compile a jitted function for arguments of these shapes, for later calls with such ones."""
    program.lower(*arguments, **named).compile()  # type: ignore[attr-defined]


def peak_memory() -> int:
    """Peak memory so far, in bytes: on the accelerator if there is one, else of this process."""
    statistics = jax.local_devices()[0].memory_stats()
    if statistics and "peak_bytes_in_use" in statistics:
        return int(statistics["peak_bytes_in_use"])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
