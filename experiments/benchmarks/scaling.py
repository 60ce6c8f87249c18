"""Cost of a guided step against one factor at a time: batch, picture, levels, repetitions."""

from collections.abc import Iterator, Sequence

from experiments import comparison, jax_run
from experiments.alone import OutOfMemoryError, alone
from experiments.benchmarks import guided_step
from experiments.benchmarks.figures import OURS, Figure
from experiments.comparison import Job


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
    base: Job,
    batches: Sequence[int],
    sizes: Sequence[int],
    lengths: Sequence[int],
    limit: float,
) -> Iterator[Figure]:
    """Time one evaluation of each; `limit` is operations a second in the job's precision."""
    for name, job in jobs(base, batches, sizes, lengths).items():
        what = f"guided step, {base.precision}, {name}"
        try:
            run = alone(jax_run.run, comparison.gentle(job))
        except OutOfMemoryError:
            yield Figure(what, OURS, (), note="not enough memory")
            continue
        yield Figure(
            what,
            OURS,
            tuple(run.seconds),
            memory=run.memory,
            operations=alone(guided_step.operations, job),
            limit=limit,
            note=f"{run.seconds.mean() / job.batch:.3g} s a sample and evaluation",
        )
