"""Compare with the PyTorch reference: results, time and memory.

    git clone https://github.com/dangeng/motion_guidance CLONE
    pip install torch einops
    python -m experiments.fetch_weights --name=raft-sintel
    python -m experiments.benchmark --reference_dir=CLONE

The clone's own sampler, losses, RAFT and networks run beside ours, on the GPU if there is one, with
the same random weights, inputs and noise: first in float64, to tell how far the results are apart
(with a thousandth of the paper's push, without which rounding would tell; see
experiments/comparison.py), then in float32, as both are used, for time and memory. Tiny networks
take some minutes on two CPU cores; --network_size=full --size=512 has Stable Diffusion 1.4's sizes,
needs 14 GB, and twice that in float64, and takes minutes for each of the 4 x --steps x --recursions
guided steps. Prints a table, and writes it to --out, as benchmark.md and benchmark.json.
"""

import json
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np
from absl import flags

from experiments import command, comparison, jax_run, pytorch_reference
from experiments.comparison import SIZES, Agreement, Job, Run
from flows import files
from flows.raft.weights import SHIPPED, find

P = ParamSpec("P")
R = TypeVar("R")

_reference_dir = flags.DEFINE_string(
    "reference_dir", None, "Clone of github.com/dangeng/motion_guidance.", required=True
)
_network_size = flags.DEFINE_enum("network_size", "tiny", list(SIZES), "UNet and autoencoder.")
_size = flags.DEFINE_integer("size", 128, "Side of the picture, a multiple of 128.")
_steps = flags.DEFINE_integer("steps", 10, "Noise levels, a divisor of 1000.")
_recursions = flags.DEFINE_integer("recursions", 3, "Repetitions of a level.")
_flow_model = flags.DEFINE_string("flow_model", "raft-sintel", "Flow network, a large RAFT.")
_out = flags.DEFINE_string("out", "out/benchmark", "Folder for the table; made if missing.")


def main() -> None:
    """Run both twice, one after the other, and tell."""
    clone, job = Path(_reference_dir.value), _job()
    pytorch_reference.check(clone, job.levels)
    if job.flow_model in SHIPPED:
        raise ValueError(f"--flow_model={job.flow_model}: small; expected a large RAFT, as theirs")
    find(job.flow_model)
    if absent := [name for name in ("torch", "einops") if find_spec(name) is None]:
        raise ValueError(f"--reference_dir: its code needs {absent[0]}; pip install torch einops")
    out = Path(_out.value)
    out.mkdir(parents=True, exist_ok=True)
    exact = comparison.gentle(job)
    expected = alone(pytorch_reference.run, clone, exact)
    agreement = comparison.agreement(alone(jax_run.run, exact), expected, exact.clip)
    job = job._replace(precision="float32")
    theirs = alone(pytorch_reference.run, clone, job)
    ours = alone(jax_run.run, job)
    table = _table(agreement, ours, theirs)
    content = {"job": job._asdict(), "agreement": agreement._asdict()} | {
        name: _figures(run) for name, run in (("ours", ours), ("reference", theirs))
    }
    for name, text in (("benchmark.md", table), ("benchmark.json", json.dumps(content, indent=2))):
        with files.atomic(out / name) as stream:
            stream.write((text + "\n").encode())
    print(table)


def alone(function: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
    """Call in a process of its own, whose memory is given back and whose imports are forgotten.

    Raises:
        ValueError: the process was killed, as for want of memory; or what the function raises.
    """
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        try:
            return pool.submit(function, *arguments, **named).result()
        except BrokenProcessPool as error:
            raise ValueError(
                f"{function.__module__}: the process was killed; expected enough memory"
            ) from error


def _job() -> Job:
    if _size.value < 128 or _size.value % 128:
        raise ValueError(f"--size: {_size.value}; expected a multiple of 128")
    if _recursions.value < 2:
        raise ValueError(f"--recursions: {_recursions.value}; expected 2 or more, to be timed")
    return Job(
        network_size=_network_size.value,
        size=_size.value,
        levels=_steps.value,
        recursions=_recursions.value,
        stored=True,
        flow_model=_flow_model.value,
    )


def _figures(run: Run) -> dict[str, Any]:
    return {
        "seconds": float(np.median(run.seconds)),
        "memory_bytes": run.memory,
        "device": run.device,
    }


def _table(agreement: Agreement, ours: Run, theirs: Run) -> str:
    runs = (ours, theirs)
    rows = [
        ("final latents, relative difference, float64", f"{agreement.final:.1e}", ""),
        ("energy, largest relative difference, float64", f"{agreement.energy:.1e}", ""),
        ("push, largest relative difference, float64", f"{agreement.push:.1e}", ""),
        ("pushes that were clipped", f"{agreement.clipped:.0%}", ""),
        (
            "seconds a guided step, median, float32",
            *(f"{np.median(r.seconds):.2f}" for r in runs),
        ),
        ("peak memory, GiB, float32", *(f"{r.memory / 2**30:.2f}" for r in runs)),
        ("device", ours.device, theirs.device),
    ]
    lines = ["| | ours | reference |", "| --- | --- | --- |"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


if __name__ == "__main__":
    command.run(main)
