"""Cost of a guided step against one factor at a time: batch, picture, levels, repetitions."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from experiments import comparison, jax_run
from experiments.benchmarks.figures import OURS, Figure
from experiments.comparison import Job
from experiments.subprocesses import OutOfMemoryError, several


def jobs(
    base: Job, batches: Sequence[int], sizes: Sequence[int], lengths: Sequence[int]
) -> dict[str, Job]:
    """What is run, by name; `lengths` are numbers of levels, and of repetitions of a level."""
    return (
        {f"batch of {n}": base._replace(batch=n) for n in batches}
        | {f"picture {n} px": base._replace(size=n) for n in sizes}
        | {f"{n} levels": base._replace(levels=n) for n in lengths}
        | {f"{n} repetitions a level": base._replace(recursions=n) for n in lengths}
    )


def measure(
    named: Mapping[str, Job], operations: Mapping[Job, int], limit: float, at_once: int
) -> Iterator[Figure]:
    """Time one evaluation of each of `jobs`; `limit` is operations a second in their products.

    `at_once` processes prepare what is timed.
    """
    calls = [partial(jax_run.run, comparison.gentle(job)) for job in named.values()]
    for (name, job), run in zip(named.items(), several(calls, at_once), strict=True):
        what = f"guided step, {job.products}, recomputing {job.remat}, {name}"
        if isinstance(run, OutOfMemoryError):
            yield Figure(what, OURS, (), note="not enough memory")
            continue
        yield Figure(
            what,
            OURS,
            tuple(run.seconds),
            memory=run.memory,
            operations=operations[job],
            limit=limit,
            note=f"{run.seconds.mean() / job.batch:.3g} s a sample and evaluation",
        )
