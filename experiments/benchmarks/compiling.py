"""Tracing and compiling a guided step: with nothing on disk, and with its program kept there."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from experiments import jax_run
from experiments.benchmarks import guided_step
from experiments.benchmarks.figures import OURS, Figure
from experiments.comparison import Job
from experiments.subprocesses import alone
from mg_jax import compilation


class Compilation(NamedTuple):
    """What it took."""

    seconds: float
    held: int  # bytes that the process held at most
    planned: int  # bytes that the program will: arguments, results and all between


def measure(jobs: Sequence[Job], repetitions: int) -> Iterator[Figure]:
    """Compile each job in new processes: once for an empty folder, then so many times from it."""
    for job in jobs:
        with tempfile.TemporaryDirectory(prefix="programs.") as folder:
            cold, *warm = (alone(compiled, job, Path(folder)) for _ in range(1 + repetitions))
        for kept, compilations in (("none kept", [cold]), ("from disk", warm)):
            yield Figure(
                f"compiling a guided step, {job.products}, recomputing {job.remat}, {kept}",
                OURS,
                tuple(compilation.seconds for compilation in compilations),
                memory=max(compilation.held for compilation in compilations),
                note=f"the program plans {compilations[0].planned / 2**30:.2f} GiB in all",
            )


def compiled(job: Job, folder: Path) -> Compilation:
    """Compile here, with programs kept in `folder`. For good: the process should end after it."""
    jax_run.prepare(job)
    compilation.keep_programs(folder)
    begin = time.perf_counter()
    sizes = guided_step.compiled(job).memory_analysis()
    seconds = time.perf_counter() - begin
    planned = (
        sizes.argument_size_in_bytes
        + sizes.output_size_in_bytes
        + sizes.temp_size_in_bytes
        - sizes.alias_size_in_bytes
    )
    return Compilation(seconds, compilation.peak_memory(), planned)
