"""One guided step: ours, the reference's own code, and the same in PyTorch done well."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from experiments import comparison, jax_run, pytorch_baseline, pytorch_reference
from experiments.benchmarks.figures import OURS, PYTORCH, REFERENCE, Figure
from experiments.comparison import Job, Run
from experiments.subprocesses import OutOfMemoryError, all_of, several

PAPER = 5000  # guided steps of an edit by the paper's schedule: 500 levels of 10 repetitions
EXACT = 1e-6  # how far two programs may be apart in float64, relatively
BOUNDS = {"float32": (1e-2, 0.1), "tensorfloat32": (0.5, math.inf), "bfloat16": (0.5, math.inf)}
"""The same of energy and push at the first evaluation, in the products that are timed.

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
    sides = [Side(OURS, jax_run.run, job)]
    if clone and job.precision != "bfloat16":
        sides.append(Side(REFERENCE, partial(pytorch_reference.run, clone), job))
    for way in pytorch:
        compiled_job = job._replace(compiled=way == "compiled")
        sides.append(Side(f"{PYTORCH}, {way}", pytorch_baseline.run, compiled_job))
    return sides


def agreement(
    job: Job, clone: Path | None, pytorch: Sequence[str], at_once: int
) -> Iterator[Figure]:
    """How far the other programs are from ours over a whole run of tiny networks in float64.

    Raises:
        ValueError: one is further than `EXACT`.
    """
    exact = Job("tiny", 128, 2, 2, stored=True, flow_model=job.flow_model, precision="float64")
    compared = sides(comparison.gentle(exact), clone, pytorch[:1])
    if not compared[1:]:
        return
    expected, *others = all_of([partial(side.run, side.job) for side in compared], at_once)
    for side, run in zip(compared[1:], others, strict=True):
        agreement = comparison.agreement(run, expected, side.job.clip)
        apart = (agreement.final, agreement.energy, agreement.push)
        _check(f"{side.by}, float64", apart, EXACT)
        for term, difference in zip(("final latents", "energy", "push"), apart, strict=True):
            yield Figure(
                f"{term}, worst relative difference, float64",
                side.by,
                (difference,),
                unit="",
                note=f"allowed: {EXACT:.0e}; {agreement.clipped:.0%} of the pushes clipped",
            )


def measure(
    jobs: Sequence[Job],
    clone: Path | None,
    pytorch: Sequence[str],
    operations: Mapping[Job, int],
    limits: Mapping[str, float],
    at_once: int,
) -> Iterator[Figure]:
    """Time a step of each program at each job, in the jobs' order.

    `operations` are those of one evaluation of each job, `limits` operations a second, by products;
    `at_once` processes prepare what is timed. Guidance is gentle, so that numbers stay what
    networks see.

    Raises:
        ValueError: after the last, at its first evaluation a program was further than `BOUNDS`
            from the first one in the same products, or from the first of all, or was no number.
    """
    asked = list(_each_once(jobs, clone, pytorch))
    calls = [partial(side.run, side.job) for _, side in asked]
    first: dict[str, Run] = {}  # by products
    wrong: list[str] = []
    for (job, side), run in zip(asked, several(calls, at_once), strict=True):
        what = f"guided step, {job.products}, recomputing {job.remat}"
        if isinstance(run, OutOfMemoryError):
            yield Figure(what, side.by, (), note="not enough memory")
            continue
        like = first.setdefault(job.products, run)
        apart = _apart(run, like)
        try:
            _judge(f"{side.by}, {job.products}", apart, BOUNDS[job.products])
            earliest = next(iter(first.values()))
            _judge(f"{side.by}, {job.products}", _apart(run, earliest), BOUNDS["bfloat16"])
        except ValueError as error:
            wrong.append(str(error))
            yield Figure(what, side.by, (), note=f"not shown: {error}")
            continue
        middle = float(np.median(run.seconds))
        yield Figure(
            what,
            side.by,
            tuple(run.seconds),
            memory=run.memory,
            operations=operations[job],
            limit=limits[job.products],
            note=f"{run.device}, {run.program}, {PAPER} steps: {middle * PAPER / 60:.3g} min, "
            f"first energy {apart[0]:.1e} and push {apart[1]:.1e} from the first in these products",
        )
    if wrong:
        raise ValueError("; ".join(wrong))


def _each_once(
    jobs: Sequence[Job], clone: Path | None, pytorch: Sequence[str]
) -> Iterator[tuple[Job, Side]]:
    """All programs at all jobs; the reference once in its products: it recomputes as it likes."""
    timed = set()
    for job in jobs:
        # Not clipped, so that the pushes' norms tell something.
        gentle = comparison.gentle(job)._replace(clip=job.clip)
        for side in sides(gentle, clone, pytorch):
            if side.by == REFERENCE:
                if job.products in timed:
                    continue
                timed.add(job.products)
            yield job, side


def _apart(run: Run, other: Run) -> tuple[float, float]:
    """Relative differences of the first energies and pushes."""
    energy, push = (
        abs(float(a[0] - b[0])) / abs(float(b[0]))
        for a, b in ((run.energy, other.energy), (run.push, other.push))
    )
    return energy, push


def _judge(what: str, apart: tuple[float, float], bounds: tuple[float, float]) -> None:
    for term, difference, bound in zip(("energy", "push"), apart, bounds, strict=True):
        _check(f"{what}, first {term}", (difference,), bound)


def _check(what: str, apart: tuple[float, ...], allowed: float) -> None:
    worst = np.max(apart)  # NaN, if one is
    if not worst <= allowed:
        raise ValueError(f"{what}: {worst:.1e} apart; expected at most {allowed:.0e}")
