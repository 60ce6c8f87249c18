r"""Time, memory and share of the hardware's limit, ours beside PyTorch's, in one table.

    python -m experiments.benchmark
    python -m experiments.benchmark --measure=patch
    git clone https://github.com/dangeng/motion_guidance CLONE
    pip install torch einops torchvision diffusers
    python -m experiments.benchmark --reference_dir=CLONE

Six sections, on the device that JAX finds, each measurement in a process of its own:

- agreement: in float64 all programs must agree on a run of tiny networks (with a thousandth of the
  paper's push, without which rounding would tell; see experiments/comparison.py);
- step: one guided step with Stable Diffusion's networks, against the reference's own code from a
  clone and against the same in PyTorch done well (diffusers, torchvision);
- scaling: a guided step against batch, picture, levels and repetitions, one at a time;
- patch: the default edit, in new processes, and again in one that has compiled it;
- networks: UNet, decoder and RAFT alone, forward and gradient, against diffusers and torchvision;
- compiling: a guided step, with nothing on disk and with its program kept there.

PyTorch takes part where it is installed, the reference where --reference_dir names it. All programs
have the same random weights, inputs and noise. What is timed must agree at its first evaluation,
too; else the program ends with status 1.

What a flag's help calls "by the device" is chosen for two CPU cores, where tiny networks take
minutes a section, or for a GPU or TPU with 80 GB, where the networks are Stable Diffusion's. On
such a device processes import and draw weights beside each other, and use it one after the other.
On CPU the full networks need 10 to 14 GiB, and minutes a step:
--measure=step --network_size=full --size=512 --precision=float32 --steps=2 --recursions=2.

It writes benchmark.md and benchmark.json to --out, anew after each figure: a run that is stopped
leaves the table so far.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from absl import flags
from tqdm import tqdm

from experiments import command, pytorch_reference, writing
from experiments.benchmarks import (
    compiling,
    guided_step,
    hardware,
    networks,
    patch,
    pytorch_parts,
    scaling,
    step,
)
from experiments.benchmarks.figures import Figure, Rate, contents, table
from experiments.comparison import SIZES, Job
from experiments.subprocesses import alone
from flows import files
from flows.raft.weights import SHIPPED, find
from mg_jax import PatchSettings

SECTIONS = ("agreement", "step", "scaling", "patch", "networks", "compiling")
T = TypeVar("T", bound=str)


class Scale(NamedTuple):
    """What is measured by default, as the flags of the same names say it."""

    network_size: str
    size: int
    steps: int
    recursions: int
    precision: tuple[str, ...]
    remat: tuple[str, ...]
    batches: tuple[str, ...]
    sizes: tuple[str, ...]
    lengths: tuple[str, ...]
    at_once: int


SMALL = Scale(
    "tiny",
    size=128,
    steps=4,
    recursions=2,
    precision=("float32", "bfloat16"),
    remat=("blocks",),
    batches=("1", "2", "4"),
    sizes=("128", "256"),
    lengths=("2", "4", "8"),
    at_once=1,
)
LARGE = Scale(
    "full",
    size=512,
    steps=8,
    recursions=4,
    precision=("bfloat16", "tensorfloat32", "float32"),
    remat=("nothing",),
    batches=("4", "8"),
    sizes=(),
    lengths=(),
    at_once=3,
)

_PRECISIONS: Sequence[str] = ("bfloat16", "tensorfloat32", "float32")
_REMATS: Sequence[Literal["blocks", "nothing"]] = ("blocks", "nothing")
_WAYS: Sequence[str] = ("eager", "compiled")

_measure = flags.DEFINE_list("measure", list(SECTIONS), "Sections.")
_reference_dir = flags.DEFINE_string(
    "reference_dir", None, "Clone of github.com/dangeng/motion_guidance, to be timed, too."
)
_pytorch = flags.DEFINE_list(
    "pytorch", None, "How PyTorch done well runs: eager, compiled (eager, if it is installed)."
)
_network_size = flags.DEFINE_enum(
    "network_size", None, list(SIZES), "UNet and autoencoder (by the device)."
)
_size = flags.DEFINE_integer(
    "size", None, "Side of the picture, a multiple of 128 (by the device)."
)
_steps = flags.DEFINE_integer(
    "steps",
    None,
    "Noise levels, a divisor of 1000 with --reference_dir; the first is not timed (by the device).",
)
_recursions = flags.DEFINE_integer("recursions", None, "Repetitions of a level (by the device).")
_flow_model = flags.DEFINE_string("flow_model", "raft-sintel", "Flow network.")
_precision = flags.DEFINE_list(
    "precision",
    None,
    "What networks multiply in; tensorfloat32, on a GPU, is float32 in which ours and PyTorch done "
    "well round all products, the reference those of convolutions, as PyTorch does by default. "
    "scaling has the first (by the device).",
)
_remat = flags.DEFINE_list(
    "remat",
    None,
    "What gradients of UNet and autoencoder recompute: blocks, nothing (by the device).",
)
_repetitions = flags.DEFINE_integer(
    "repetitions", 3, "Of all that is timed but guided steps.", lower_bound=1
)
_batches = flags.DEFINE_list("batches", None, "Samples, for scaling (by the device).")
_sizes = flags.DEFINE_list("sizes", None, "Sides of the picture, for scaling (by the device).")
_lengths = flags.DEFINE_list(
    "lengths", None, "Levels, and repetitions of a level, for scaling (by the device)."
)
_at_once = flags.DEFINE_integer(
    "at_once", None, "Processes beside each other, one of which uses the device (by the device).", 1
)
_out = flags.DEFINE_string("out", "out/benchmark", "Folder for the table; made if missing.")
_FLAGS = (_measure, _flow_model, _repetitions)


def main() -> None:
    """Check all, then measure section by section."""
    # Processes share an accelerator; JAX would take three quarters of its memory for each.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    sections = _chosen(_measure, _measure.value, SECTIONS)
    about = alone(hardware.machine)
    scale = _scale(SMALL if about["backend"] == "cpu" else LARGE)
    job, at_once = _job(scale), scale.at_once
    precisions = _chosen(_precision, scale.precision, _PRECISIONS)
    jobs = [
        job._replace(remat=remat).multiplying(precision)
        for precision in precisions
        for remat in _chosen(_remat, scale.remat, _REMATS)
    ]
    scaled = scaling.jobs(
        jobs[0],
        _numbers(_batches, scale.batches, 1),
        _numbers(_sizes, scale.sizes, 128),
        _numbers(_lengths, scale.lengths, 2),
    )
    clone, ways = _others(job, sections)
    out = writing.folder(Path(_out.value), f"--out={_out.value}")
    results: dict[str, list[Figure]] = {}
    with tqdm(desc="benchmark", unit="figure", disable=None) as bar:

        def measure(title: str, figures: Iterator[Figure]) -> None:
            bar.set_postfix_str(title)
            results[title] = []
            for figure in figures:
                results[title].append(figure)
                _write(out, about, scale, results)
                bar.update()

        rates: dict[str, Rate] = {p: alone(hardware.matrix_rate, p) for p in precisions}
        measure("hardware", hardware.figures(rates))
        limits: dict[str, float] = {p: rate.operations for p, rate in rates.items()}
        timed = (jobs if "step" in sections else []) + (
            list(scaled.values()) if "scaling" in sections else []
        )
        operations = guided_step.counted(timed, at_once)
        parts: dict[str, Callable[[], Iterator[Figure]]] = {
            "agreement": partial(step.agreement, job, clone, ways, at_once),
            "step": partial(step.measure, jobs, clone, ways, operations, limits, at_once),
            "scaling": partial(
                scaling.measure, scaled, operations, limits[jobs[0].products], at_once
            ),
            "patch": partial(patch.measure, patch.cases(), PatchSettings(), _repetitions.value),
            "networks": partial(
                networks.measure,
                [job.multiplying(p) for p in precisions],
                bool(ways),
                _repetitions.value,
                limits,
                at_once,
            ),
            "compiling": partial(compiling.measure, jobs, _repetitions.value),
        }
        for name in sections:
            measure(name, parts[name]())
    print(_text(about, scale, results))


def _scale(by_device: Scale) -> Scale:
    """What the flags say, and for those that say nothing what suits the device."""
    asked: dict[str, Any] = {
        flag.name: flag.value
        for flag in (
            *(_network_size, _size, _steps, _recursions, _precision),
            *(_remat, _batches, _sizes, _lengths, _at_once),
        )
        if flag.value is not None
    }
    return by_device._replace(**asked)


def _job(scale: Scale) -> Job:
    for name, value in (
        ("size", scale.size),
        *(("sizes", n) for n in _numbers(_sizes, scale.sizes, 128)),
    ):
        if value < 128 or value % 128:
            raise ValueError(f"--{name}: {value}; expected multiples of 128")
    for name in ("steps", "recursions"):
        if getattr(scale, name) < 2:
            raise ValueError(f"--{name}: {getattr(scale, name)}; expected 2 or more, to be timed")
    if scale.steps > 999:
        raise ValueError(f"--steps: {scale.steps}; expected at most 999")
    return Job(
        network_size=scale.network_size,
        size=scale.size,
        levels=scale.steps,
        recursions=scale.recursions,
        stored=True,
        flow_model=_flow_model.value,
        precision="float32",
    )


def _others(job: Job, sections: Sequence[str]) -> tuple[Path | None, Sequence[str]]:
    """The clone, and how PyTorch done well runs: neither where no section asks for it."""
    clone = Path(_reference_dir.value) if _reference_dir.value else None
    if clone is not None:
        pytorch_reference.check(clone, job.levels)
    missing = [name for name in pytorch_parts.PACKAGES if find_spec(name) is None]
    compared = {"agreement", "step", "networks"} & set(sections)
    ways = [] if missing or not compared else ["eager"]
    if _pytorch.value is not None:
        ways = _chosen(_pytorch, _pytorch.value, _WAYS) if _pytorch.value else []
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


def _chosen(flag: Any, values: Sequence[str], known: Sequence[T]) -> list[T]:
    """What a list names, each once."""
    for name in values:
        if name not in known:
            raise ValueError(f"--{flag.name}: {name}; expected some of {', '.join(known)}")
    if not values:
        raise ValueError(f"--{flag.name}: empty; expected some of {', '.join(known)}")
    return [known[known.index(name)] for name in dict.fromkeys(values)]


def _numbers(flag: Any, values: Sequence[str], smallest: int) -> list[int]:
    for text in values:
        if not text.isdecimal() or int(text) < smallest:
            raise ValueError(
                f"--{flag.name}: {text}; expected whole numbers from {smallest}, with commas"
            )
    return list(dict.fromkeys(map(int, values)))


def _write(
    out: Path, machine: Mapping[str, str], scale: Scale, results: Mapping[str, Sequence[Figure]]
) -> None:
    content = {
        "machine": machine,
        "flags": {flag.name: flag.value for flag in _FLAGS} | scale._asdict(),
        "sections": {name: contents(figures) for name, figures in results.items()},
    }
    for name, text in (
        ("benchmark.md", _text(machine, scale, results)),
        ("benchmark.json", json.dumps(content, indent=2)),
    ):
        with files.atomic(out / name) as stream:
            stream.write((text + "\n").encode())


def _text(machine: Mapping[str, str], scale: Scale, results: Mapping[str, Sequence[Figure]]) -> str:
    size = f"{scale.network_size} networks, {scale.size} px, {_flow_model.value}"
    about = ", ".join(f"{name} {value}" for name, value in machine.items())
    return f"{about}. Guided steps: {size}.\n\n{table(results)}"


if __name__ == "__main__":
    command.run(main)
