"""One guided step of a job without its values: to be compiled, or its operations counted."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from experiments import jax_run
from experiments.benchmarks import flops
from experiments.comparison import FACTOR, SIZES, Job, architecture
from experiments.subprocesses import all_of
from mg_jax import compilation, kernel, noise, schedule
from mg_jax.models.stable_diffusion import checkpoint
from mg_jax.prompting import Prompt
from mg_jax.types import Edit, Params, Problem, Schedule, State, Strengths, Target


class Step(NamedTuple):
    """A level of the schedule, with the job's repetitions."""

    level: Callable[..., Any]
    arguments: tuple[Any, ...]  # `jax.ShapeDtypeStruct`s


def operations(job: Job) -> int:
    """Of the matrix products and convolutions of one evaluation, nothing computed twice."""
    step = shaped(job._replace(levels=1, recursions=1, remat="nothing"))
    return flops.of(step.level, *step.arguments)


def counted(jobs: Sequence[Job], at_once: int) -> dict[Job, int]:
    """`operations` of each job, counted once for all that differ in nothing that counts."""
    alike = {
        job: job.multiplying("float32")._replace(levels=1, recursions=1, remat="nothing")
        for job in jobs
    }
    distinct = list(dict.fromkeys(alike.values()))
    counts = all_of([partial(operations, distinct_job) for distinct_job in distinct], at_once)
    count_of = dict(zip(distinct, counts, strict=True))
    return {job: count_of[distinct_job] for job, distinct_job in alike.items()}


def compiled(job: Job) -> Any:
    """The job's compiled level, as `jax.stages.Compiled`."""
    step = shaped(job)
    program: Any = compilation.jit_lean(step.level)
    return program.lower(*step.arguments).compile()


def shaped(job: Job) -> Step:
    """The level as `experiments.jax_run` runs it. It reads the flow network's file.

    Raises:
        ValueError: as `flows.raft.load`.
    """
    flow_network = jax_run.raft_of(job)
    config = architecture(SIZES[job.network_size])
    grid, latent = job.size // FACTOR, config.vae.latent
    z = _array(job.batch, grid, grid, latent)
    image = _array(job.batch, job.size, job.size, 3)
    words = _array(job.batch, config.text.length, config.unet.context)
    per_sample = _array(job.batch)
    weights = checkpoint.shapes(config)
    flow_params = jax.eval_shape(lambda: flow_network.params)
    target = Target(
        source=image,
        flow=_array(job.batch, job.size, job.size, 2),
        visible=_array(job.batch, job.size, job.size, 1),
        features=jax.eval_shape(flow_network.features, flow_params, image),
        flow_unit=per_sample,
        flow_weight=per_sample,
        color_weight=per_sample,
    )
    kept = _shaped((job.batch, grid, grid, 1), "bool")
    problem = Problem(
        Params(cast(weights.unet, job.precision), cast(weights.vae, job.precision), flow_params),
        Edit(_array(job.levels, *z.shape), kept, _array(job.batch, grid, grid, 1), target),
        Strengths(per_sample, per_sample),
        Prompt(words, words, per_sample),
    )
    state: State = jax.eval_shape(kernel.init, z)
    row: Schedule = jax.eval_shape(lambda: schedule.rows(schedule.ddim(job.levels), 0, 1))
    recording = _array(job.evaluations, len(noise.Draw), *z.shape)
    return Step(jax_run.level_of(job, flow_network), (recording, state, row, problem))


def cast(params: Any, dtype: str) -> Any:
    """Shapes of the same parameters as `dtype`."""
    return jax.tree.map(lambda leaf: _shaped(leaf.shape, dtype), params)


def _array(*shape: int) -> Any:
    return _shaped(shape, "float32")


def _shaped(shape: tuple[int, ...], dtype: str) -> Any:
    return jax.ShapeDtypeStruct(shape, jnp.dtype(dtype))  # type: ignore[no-untyped-call]
