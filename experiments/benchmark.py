r"""Time, memory and share of the hardware's limit, ours beside PyTorch's, in one table.

    python -m experiments.benchmark
    python -m experiments.benchmark --measure=patch
    git clone https://github.com/dangeng/motion_guidance CLONE
    pip install torch einops torchvision diffusers
    python -m experiments.benchmark --reference_dir=CLONE
    python -m experiments.benchmark --reference_dir=CLONE --network_size=full --size=512 \
        --steps=25 --recursions=5 --precision=bfloat16,float32 --remat=nothing,blocks \
        --pytorch=eager,compiled --batches=1,2,4,8,16 --sizes=512,768,1024

Five sections, on the device that JAX finds, each measurement in a process of its own:

- step: one guided step with Stable Diffusion's networks, against the reference's own code from a
  clone and against the same in PyTorch done well (diffusers, torchvision);
- networks: UNet, decoder and RAFT alone, forward and gradient, against diffusers and torchvision;
- patch: the default edit, in new processes, and again in one that has compiled it;
- scaling: a guided step against batch, picture, levels and repetitions, one at a time;
- compiling: a guided step, with nothing on disk and with its program kept there.

PyTorch takes part where it is installed, the reference where --reference_dir names it. All programs
have the same random weights, inputs and noise. Before anything is timed they must agree in float64
on a run of tiny networks (with a thousandth of the paper's push, without which rounding would tell;
see experiments/comparison.py), and what is timed must agree at its first evaluation; else the
program ends with status 1.

With tiny networks a section takes minutes on two CPU cores. The last command is for a GPU with 80
GB. On CPU the full networks need 10 to 14 GiB, and minutes a step:
--measure=step --network_size=full --size=512 --precision=float32 --steps=2 --recursions=2.

It writes benchmark.md and benchmark.json to --out, anew after each figure.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, TypeVar

from absl import flags
from tqdm import tqdm

from experiments import command, pytorch_reference, writing
from experiments.alone import alone
from experiments.benchmarks import (
    compiling,
    hardware,
    networks,
    patch,
    pytorch_parts,
    scaling,
    step,
)
from experiments.benchmarks.figures import Figure, Rate, contents, table
from experiments.comparison import SIZES, Job
from flows import files
from flows.raft.weights import SHIPPED, find
from mg_jax import PatchSettings

SECTIONS = ("step", "networks", "patch", "scaling", "compiling")
T = TypeVar("T", bound=str)

_PRECISIONS: Sequence[Literal["float32", "bfloat16"]] = ("float32", "bfloat16")
_REMATS: Sequence[Literal["blocks", "nothing"]] = ("blocks", "nothing")
_WAYS = ("eager", "compiled")

_measure = flags.DEFINE_list("measure", list(SECTIONS), "Sections.")
_reference_dir = flags.DEFINE_string(
    "reference_dir", None, "Clone of github.com/dangeng/motion_guidance, to be timed, too."
)
_pytorch = flags.DEFINE_list(
    "pytorch", None, "How PyTorch done well runs: eager, compiled (eager, if it is installed)."
)
_network_size = flags.DEFINE_enum("network_size", "tiny", list(SIZES), "UNet and autoencoder.")
_size = flags.DEFINE_integer("size", 128, "Side of the picture, a multiple of 128.")
_steps = flags.DEFINE_integer(
    "steps", 4, "Noise levels, a divisor of 1000 with --reference_dir; the first is not timed."
)
_recursions = flags.DEFINE_integer("recursions", 2, "Repetitions of a level.")
_flow_model = flags.DEFINE_string("flow_model", "raft-sintel", "Flow network.")
_precision = flags.DEFINE_list(
    "precision", list(_PRECISIONS), "What networks compute in; scaling has the first."
)
_remat = flags.DEFINE_list(
    "remat", ["blocks"], "What gradients of UNet and autoencoder recompute: blocks, nothing."
)
_tensorfloat = flags.DEFINE_boolean(
    "tensorfloat",
    False,
    "Let guided steps in float32 multiply as TensorFloat-32 on a GPU: ours, and PyTorch done well, "
    "in all products; the reference in convolutions, as PyTorch does by default.",
)
_repetitions = flags.DEFINE_integer(
    "repetitions", 3, "Of all that is timed but guided steps.", lower_bound=1
)
_batches = flags.DEFINE_list("batches", ["1", "2", "4"], "Samples, for scaling.")
_sizes = flags.DEFINE_list("sizes", ["128", "256"], "Sides of the picture, for scaling.")
_lengths = flags.DEFINE_list(
    "lengths", ["2", "4", "8"], "Levels, and repetitions of a level, for scaling."
)
_out = flags.DEFINE_string("out", "out/benchmark", "Folder for the table; made if missing.")
_FLAGS = (
    _measure,
    _network_size,
    _size,
    _steps,
    _recursions,
    _flow_model,
    _precision,
    _remat,
    _tensorfloat,
    _repetitions,
    _batches,
    _sizes,
    _lengths,
)


def main() -> None:
    """Check all, then measure section by section."""
    sections = _chosen(_measure, SECTIONS)
    job, precisions = _job(), _chosen(_precision, _PRECISIONS)
    jobs = [
        job._replace(precision=precision, remat=remat)
        for precision in precisions
        for remat in _chosen(_remat, _REMATS)
    ]
    batches, sizes, lengths = _numbers(_batches, 1), _numbers(_sizes, 128), _numbers(_lengths, 2)
    clone, ways = _others(job, sections)
    out = writing.folder(Path(_out.value), f"--out={_out.value}")
    repetitions = _repetitions.value
    found: dict[str, list[Figure]] = {}
    machine: dict[str, str] = {}  # known once the others agree
    with tqdm(desc="benchmark", unit="figure", disable=None) as bar:

        def measure(title: str, figures: Iterator[Figure]) -> None:
            bar.set_postfix_str(title)
            found[title] = []
            for figure in figures:
                found[title].append(figure)
                if machine:
                    _write(out, machine, found)
                bar.update()

        if {"step", "networks"} & set(sections):
            measure("agreement", step.agreement(job, clone, ways))
        machine.update(alone(hardware.machine))
        rates: dict[str, Rate] = {
            one: alone(hardware.matrix_rate, one, job.tensorfloat) for one in precisions
        }
        measure("hardware", hardware.figures(rates))
        limits: dict[str, float] = {one: rate.operations for one, rate in rates.items()}
        parts: dict[str, Callable[[], Iterator[Figure]]] = {
            "step": partial(step.measure, jobs, clone, ways, limits),
            "networks": partial(
                networks.measure,
                [job._replace(precision=one) for one in precisions],
                bool(ways),
                repetitions,
                limits,
            ),
            "patch": partial(patch.measure, patch.cases(), PatchSettings(), repetitions),
            "scaling": partial(
                scaling.measure, jobs[0], batches, sizes, lengths, limits[precisions[0]]
            ),
            "compiling": partial(compiling.measure, jobs, repetitions),
        }
        for name in sections:
            measure(name, parts[name]())
    print(_text(machine, found))


def _job() -> Job:
    for name, value in (("size", _size.value), *(("sizes", n) for n in _numbers(_sizes, 128))):
        if value < 128 or value % 128:
            raise ValueError(f"--{name}: {value}; expected multiples of 128")
    for flag in (_steps, _recursions):
        if flag.value < 2:
            raise ValueError(f"--{flag.name}: {flag.value}; expected 2 or more, to be timed")
    if _steps.value > 999:
        raise ValueError(f"--steps: {_steps.value}; expected at most 999")
    return Job(
        network_size=_network_size.value,
        size=_size.value,
        levels=_steps.value,
        recursions=_recursions.value,
        stored=True,
        flow_model=_flow_model.value,
        precision="float32",
        tensorfloat=_tensorfloat.value,
    )


def _others(job: Job, sections: Sequence[str]) -> tuple[Path | None, Sequence[str]]:
    """The clone, and how PyTorch done well runs: neither where no section asks for it."""
    clone = Path(_reference_dir.value) if _reference_dir.value else None
    if clone is not None:
        pytorch_reference.check(clone, job.levels)
    missing = [name for name in pytorch_parts.PACKAGES if find_spec(name) is None]
    compared = "step" in sections or "networks" in sections
    ways = [] if missing or not compared else ["eager"]
    if _pytorch.value is not None:
        ways = _chosen(_pytorch, _WAYS) if _pytorch.value else []
        if ways and missing:
            raise ValueError(f"--pytorch: needs {missing[0]}; pip install {' '.join(missing)}")
    if (clone or ways) and job.flow_model in SHIPPED:
        raise ValueError(f"--flow_model={job.flow_model}: small; expected a large RAFT, as theirs")
    if set(sections) != {"patch"}:
        find(job.flow_model)
    absent = [name for name in ("torch", "einops") if find_spec(name) is None]
    if clone is not None and absent:
        raise ValueError(f"--reference_dir: its code needs {absent[0]}; pip install torch einops")
    return clone, ways


def _chosen(flag: Any, known: Sequence[T]) -> list[T]:
    """What a list names, each once."""
    names = {name: name for name in known}
    for name in flag.value:
        if name not in known:
            raise ValueError(f"--{flag.name}: {name}; expected some of {', '.join(known)}")
    if not flag.value:
        raise ValueError(f"--{flag.name}: empty; expected some of {', '.join(known)}")
    return [names[name] for name in dict.fromkeys(flag.value)]


def _numbers(flag: Any, smallest: int) -> list[int]:
    for text in flag.value:
        if not text.isdecimal() or int(text) < smallest:
            raise ValueError(
                f"--{flag.name}: {text}; expected whole numbers from {smallest}, with commas"
            )
    return list(dict.fromkeys(map(int, flag.value)))


def _write(out: Path, machine: Mapping[str, str], found: Mapping[str, Sequence[Figure]]) -> None:
    content = {
        "machine": machine,
        "flags": {flag.name: flag.value for flag in _FLAGS},
        "sections": {name: contents(figures) for name, figures in found.items()},
    }
    for name, text in (
        ("benchmark.md", _text(machine, found)),
        ("benchmark.json", json.dumps(content, indent=2)),
    ):
        with files.atomic(out / name) as stream:
            stream.write((text + "\n").encode())


def _text(machine: Mapping[str, str], found: Mapping[str, Sequence[Figure]]) -> str:
    size = f"{_network_size.value} networks, {_size.value} px, {_flow_model.value}"
    about = ", ".join(f"{name} {value}" for name, value in machine.items())
    return f"{about}. Guided steps: {size}.\n\n{table(found)}"


if __name__ == "__main__":
    command.run(main)
