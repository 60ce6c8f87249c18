"""The same guided run with this package."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from experiments.comparison import SIZES, Data, Job, Run, architecture, data, drawn, resident
from experiments.subprocesses import turn
from flows import parameter_matching, raft
from flows.raft import Raft
from mg_jax import compilation, guiding, kernel, noise, sample, schedule
from mg_jax.checkpoints import parts
from mg_jax.checkpoints.arrays import Stored
from mg_jax.checkpoints.parts import Part
from mg_jax.models.stable_diffusion import checkpoint, layouts, networks, own_size
from mg_jax.models.stable_diffusion.config import Config
from mg_jax.models.stable_diffusion.settings import StableDiffusionSettings
from mg_jax.prompting import Prompt, classifier_free
from mg_jax.types import Params, Problem


def run(job: Job, starts: Float[np.ndarray, "levels 1 h w 4"] | None = None) -> Run:
    """Sample with our kernel. A level's evaluations count as alike long, the first level's not.

    Where `starts` are given, each level begins with its own instead of the last level's result.
    In a process that should end after it: JAX's precision is set for good.
    """
    prepare(job)
    network = raft_of(job)
    inputs, before = data(job), resident()
    config = architecture(SIZES[job.network_size])
    net = networks.build(config, job.precision, job.remat)
    weights = _weights(config, job.precision)
    with turn():
        return _sample(job, inputs, network, net, weights, starts, before)


def _sample(
    job: Job,
    inputs: Data,
    network: Raft,
    net: networks.Networks,
    weights: checkpoint.Weights,
    starts: Float[np.ndarray, "levels 1 h w 4"] | None,
    before: int,
) -> Run:
    image = jax.jit(net.decode)(weights.vae, jnp.asarray(inputs.source))
    if job.stored:
        source = jnp.asarray(inputs.trajectory)
    else:
        source = jax.jit(net.encode)(weights.vae, image)
    problem = _problem(job, inputs, network, weights, image, source)
    program = compilation.jit_lean(level_of(job, network))
    rows = schedule.ddim(job.levels, inputs.ramp)
    recording = jnp.asarray(inputs.noise)
    state = kernel.init(jnp.repeat(jnp.asarray(inputs.start), job.batch, axis=0))
    energies, pushes, seconds, begun, reached = [], [], [], [], []
    for level in range(job.levels):
        if starts is not None:
            state = state._replace(z=jnp.asarray(starts[level]))
        begun.append(np.asarray(state.z))
        begin = time.perf_counter()
        state, info = program(recording, state, schedule.rows(rows, level, level + 1), problem)
        state.z.block_until_ready()
        if level > 0:
            seconds.append((time.perf_counter() - begin) / job.recursions)
        reached.append(np.asarray(state.z))
        energies.append(np.asarray(info.energy, np.float64).ravel())
        pushes.append(np.asarray(info.guidance_norm, np.float64).ravel())
    accelerated = jax.default_backend() != "cpu"
    return Run(
        final=np.asarray(state.z),
        begun=np.stack(begun),
        reached=np.stack(reached),
        energy=np.concatenate(energies),
        push=np.minimum(np.concatenate(pushes), job.clip),
        seconds=np.asarray(seconds),
        memory=compilation.peak_memory() - (0 if accelerated else before),
        device=jax.devices()[0].device_kind if accelerated else "CPU",
        program=f"jax {jax.__version__}",
    )


def prepare(job: Job) -> None:
    """Set JAX up for the job, and keep its programs on disk. For good, as `run` does."""
    jax.config.update("jax_enable_x64", job.precision == "float64")  # type: ignore[no-untyped-call]
    products = "default" if job.tensorfloat else "highest"  # a GPU's default is TensorFloat-32
    jax.config.update("jax_default_matmul_precision", products)  # type: ignore[no-untyped-call]
    compilation.keep_programs()


def level_of(job: Job, network: Raft) -> Callable[..., Any]:
    """One level of the job: (recorded noise, state, row, problem) -> (state, info)."""
    net = networks.build(architecture(SIZES[job.network_size]), job.precision, job.remat)
    guided = kernel.build(
        classifier_free(net.denoise),
        net.decode,
        guiding.energy(network, False),
        kernel.stored_source if job.stored else kernel.noised_source,
        noise.replay,
        job.recursions,
    )
    return partial(sample.scan, guided)


def raft_of(job: Job) -> Raft:
    """RAFT, never switched to evaluation, as theirs is; its parameters as precise as sampling."""
    network = raft.load(job.flow_model, statistics="batch", dtype=job.precision)
    return replace(
        network, params=jax.tree.map(lambda leaf: leaf.astype(job.sampling), network.params)
    )


def _weights(config: Config, precision: str) -> checkpoint.Weights:
    """Drawn as an original checkpoint would hold them, and converted as one."""
    wanted = checkpoint.shapes(config)
    return checkpoint.fill(
        checkpoint.Checkpoint(
            kind="drawn",
            config=config,
            unet=_part(layouts.original_unet(config.unet), wanted.unet),
            vae=_part(layouts.original_vae(config.vae), wanted.vae),
            text=_part(layouts.original_clip, wanted.text),
            files=(),
            tokenizer=None,
            prediction_by="its configuration",
            size=own_size.USUAL,
        ),
        dtype=precision,
    )


def _part(layout: parts.Layout, wanted: parts.Params) -> Part:
    arrays = {}
    for path, variable in parts.paths(wanted).items():
        name, shape = layout(path)[0], tuple(variable.shape)
        if path.endswith(".kernel"):
            shape = parameter_matching.their_axes(shape)
        arrays[name] = Stored(shape, "float32", partial(drawn, name, shape))
    return Part(arrays, layout)


def _problem(
    job: Job,
    inputs: Data,
    network: Raft,
    weights: checkpoint.Weights,
    image: Float[Array, "1 H W 3"],
    source: Float[Array, "*levels 1 h w 4"],
) -> Problem:
    settings = StableDiffusionSettings(color_weight=job.color_weight, flow_weight=job.flow_weight)
    features_of = guiding.features(network)
    problem = guiding.problem(
        Params(weights.unet, weights.vae, network.params),
        source,
        inputs.keep[0],
        np.ones((*inputs.start.shape[1:3], 1), job.sampling),
        guiding.target(image, inputs.flow, 512, settings, network.params, features_of),
        job.guidance_weight,
        job.clip,
    )
    prompt = Prompt(
        jnp.asarray(inputs.unconditional),
        jnp.asarray(inputs.conditional),
        jnp.ones(1) * job.cfg_scale,
    )
    return guiding.repeated(problem, job.batch)._replace(
        prompt=jax.tree.map(lambda leaf: jnp.repeat(leaf, job.batch, axis=0), prompt)
    )
