"""One guided step of a job without its values: to be compiled, or its operations counted."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from experiments.benchmarks import flops
from experiments.comparison import FACTOR, SIZES, Job, architecture
from flows import raft
from mg_jax import guiding, kernel, noise, parallel, sample, schedule
from mg_jax.models.stable_diffusion import checkpoint, networks
from mg_jax.prompting import Prompt, classifier_free
from mg_jax.types import Edit, Params, Problem, Schedule, State, Strengths, Target


class Step(NamedTuple):
    """A level of the schedule, with the job's repetitions."""

    level: Callable[..., Any]
    arguments: tuple[Any, ...]  # `jax.ShapeDtypeStruct`s


def operations(job: Job) -> int:
    """Of the matrix products and convolutions of one evaluation, nothing computed twice."""
    step = shaped(job._replace(levels=1, recursions=1, remat="nothing"))
    return flops.of(step.level, *step.arguments)


def compiled(job: Job) -> Any:
    """The job's compiled level, as `jax.stages.Compiled`."""
    step = shaped(job)
    program: Any = parallel.jit_lean(step.level)
    return program.lower(*step.arguments).compile()


def shaped(job: Job) -> Step:
    """The level as `experiments.jax_run` runs it. It reads the flow network's file.

    Raises:
        ValueError: as `flows.raft.load`.
    """
    flow_network = raft.load(job.flow_model, statistics="batch", dtype=job.precision)
    config = architecture(SIZES[job.network_size])
    net = networks.build(config, job.precision, job.remat)
    guided = kernel.build(
        classifier_free(net.denoise),
        net.decode,
        guiding.energy(flow_network, False),
        kernel.stored_source,
        noise.replay,
        job.recursions,
    )
    grid, latent = job.size // FACTOR, config.vae.latent
    z = _array(job.batch, grid, grid, latent)
    image = _array(job.batch, job.size, job.size, 3)
    words = _array(job.batch, config.text.length, config.unet.context)
    one = _array(job.batch)
    weights = checkpoint.shapes(config)
    flow_params = jax.eval_shape(lambda: flow_network.params)
    target = Target(
        source=image,
        flow=_array(job.batch, job.size, job.size, 2),
        visible=_array(job.batch, job.size, job.size, 1),
        features=jax.eval_shape(flow_network.features, flow_params, image),
        flow_unit=one,
        flow_weight=one,
        color_weight=one,
    )
    kept = _shaped((job.batch, grid, grid, 1), "bool")
    problem = Problem(
        Params(cast(weights.unet, job.precision), cast(weights.vae, job.precision), flow_params),
        Edit(_array(job.levels, *z.shape), kept, _array(job.batch, grid, grid, 1), target),
        Strengths(one, one),
        Prompt(words, words, one),
    )
    state: State = jax.eval_shape(kernel.init, z)
    row: Schedule = jax.eval_shape(lambda: schedule.rows(schedule.ddim(job.levels), 0, 1))
    recording = _array(job.evaluations, len(noise.Draw), *z.shape)
    return Step(partial(sample.scan, guided), (recording, state, row, problem))


def cast(params: Any, dtype: str) -> Any:
    """Shapes of the same parameters as `dtype`."""
    return jax.tree.map(lambda one: _shaped(one.shape, dtype), params)


def _array(*shape: int) -> Any:
    return _shaped(shape, "float32")


def _shaped(shape: tuple[int, ...], dtype: str) -> Any:
    return jax.ShapeDtypeStruct(shape, jnp.dtype(dtype))  # type: ignore[no-untyped-call]
