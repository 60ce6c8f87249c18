"""One guided step: ours, the reference's own code, and the same in PyTorch done well."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from experiments import comparison, jax_run, pytorch_reference, pytorch_well
from experiments.alone import OutOfMemoryError, alone
from experiments.benchmarks import guided_step
from experiments.benchmarks.figures import OURS, PYTORCH, REFERENCE, Figure
from experiments.comparison import Job, Run

PAPER = 5000  # guided steps of an edit by the paper's schedule: 500 levels of 10 repetitions
EXACT = 1e-6  # how far two programs may be apart in float64, relatively
BOUNDS = {"float32": (1e-2, 0.1), "bfloat16": (0.5, math.inf)}
"""The same of energy and push at the first evaluation, in the precision that is timed.

Drawn networks magnify rounding. Tiny ones, float32 against float64 of the same program, seeds 0 to
2: energies up to 2.4e-4 apart, pushes up to 3.8e-2, in each program; full ones, ours and the
reference's: energies 1.5e-3 apart. bfloat16, two seeds: energies up to .26, pushes up to .93. So
there, and with TensorFloat-32, the bound finds gross errors only, and none is put on pushes.
"""


class Side(NamedTuple):
    """A program and what it is timed at."""

    by: str
    run: Callable[[Job], Run]
    job: Job


def sides(job: Job, clone: Path | None, pytorch: Sequence[str]) -> list[Side]:
    """All programs for one job, ours first.

    `pytorch` are ways to run PyTorch done well: "eager", "compiled". The reference, of which there
    may be a `clone`, knows float32 and float64, and recomputes as it likes.
    """
    found = [Side(OURS, jax_run.run, job)]
    if clone and job.precision != "bfloat16":
        found.append(Side(REFERENCE, partial(pytorch_reference.run, clone), job))
    for way in pytorch:
        one = job._replace(compiled=way == "compiled")
        found.append(Side(f"{PYTORCH}, {way}", pytorch_well.run, one))
    return found


def agreement(job: Job, clone: Path | None, pytorch: Sequence[str]) -> Iterator[Figure]:
    """How far the other programs are from ours over a whole run of tiny networks in float64.

    Raises:
        ValueError: one is further than `EXACT`.
    """
    exact = Job("tiny", 128, 2, 2, stored=True, flow_model=job.flow_model, precision="float64")
    ours, *others = sides(comparison.gentle(exact), clone, pytorch[:1])
    if not others:
        return
    expected = alone(ours.run, ours.job)
    for by, run, one in others:
        found = comparison.agreement(alone(run, one), expected, one.clip)
        apart = (found.final, found.energy, found.push)
        _check(f"{by}, float64", apart, EXACT)
        for term, difference in zip(("final latents", "energy", "push"), apart, strict=True):
            yield Figure(
                f"{term}, worst relative difference, float64",
                by,
                (difference,),
                unit="",
                note=f"allowed: {EXACT:.0e}; {found.clipped:.0%} of the pushes clipped",
            )


def measure(
    jobs: Sequence[Job], clone: Path | None, pytorch: Sequence[str], limits: Mapping[str, float]
) -> Iterator[Figure]:
    """Time a step of each program at each job; `limits` are operations a second, by precision.

    Guidance is gentle, so that numbers stay what networks see.

    Raises:
        ValueError: at its first evaluation a program is further than `BOUNDS` from the first one,
            or is not a number.
    """
    first: Run | None = None
    timed: set[tuple[str, str]] = set()
    # The most precise first, by which the others are judged.
    for job in sorted(jobs, key=lambda job: list(BOUNDS).index(job.precision)):
        operations = alone(guided_step.operations, job)
        what = f"guided step, {job.products}, recomputing {job.remat}"
        # Not clipped, so that the pushes' norms tell something.
        gentle = comparison.gentle(job)._replace(clip=job.clip)
        for by, program, asked in sides(gentle, clone, pytorch):
            if by == REFERENCE and (by, job.precision) in timed:
                continue
            timed.add((by, job.precision))
            try:
                run = alone(program, asked)
            except OutOfMemoryError:
                yield Figure(what, by, (), note="not enough memory")
                continue
            first = first or run
            apart = tuple(
                abs(a[0] - b[0]) / abs(b[0])
                for a, b in ((run.energy, first.energy), (run.push, first.push))
            )
            bounds = BOUNDS["bfloat16" if job.tensorfloat else job.precision]
            for term, difference, bound in zip(("energy", "push"), apart, bounds, strict=True):
                _check(f"{by}, {job.products}, first {term}", (difference,), bound)
                if run is first:  # from itself nothing but NaN is apart
                    continue
                yield Figure(
                    f"first {term}, relative difference, {job.products}, {job.remat}",
                    by,
                    (difference,),
                    unit="",
                    note="from the first program timed; allowed: "
                    + (f"{bound:.0e}" if math.isfinite(bound) else "any"),
                )
            yield Figure(
                what,
                by,
                tuple(run.seconds),
                memory=run.memory,
                operations=operations,
                limit=limits[job.precision],
                note=", ".join(filter(None, (run.device, run.program))),
            )
            yield Figure(
                f"{PAPER} guided steps, {job.products}, recomputing {job.remat}",
                by,
                (float(np.mean(run.seconds)) * PAPER / 3600,),
                unit="h",
                note=f"a paper-schedule edit, extrapolated from {_steps_timed(job)} timed",
            )


def _steps_timed(job: Job) -> int:
    """The first level warms up."""
    return (job.levels - 1) * job.recursions


def _check(what: str, apart: tuple[float, ...], allowed: float) -> None:
    worst = np.max(apart)  # NaN, if one is
    if not worst <= allowed:
        raise ValueError(f"{what}: {worst:.1e} apart; expected at most {allowed:.0e}")
