"""Each network alone, forward, and with the gradient to its input: ours, and PyTorch's."""

import importlib.metadata
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from experiments import jax_run
from experiments.benchmarks import flops, guided_step, pytorch_parts
from experiments.benchmarks.figures import OURS, PYTORCH, Figure
from experiments.benchmarks.timing import seconds
from experiments.comparison import FACTOR, SIZES, Job, architecture
from experiments.subprocesses import OutOfMemoryError, all_of, several, turn
from flows import raft
from mg_jax import schedule
from mg_jax.guiding import UPDATES
from mg_jax.models.stable_diffusion import checkpoint, networks

FORWARD, GRADIENT = "forward", "forward and gradient"

Seconds = Mapping[str, tuple[float, ...]]
"""Of each repetition, by direction: `FORWARD`, `GRADIENT`."""


class Part(NamedTuple):
    """A network as a function of its weights and of what its gradient is taken to."""

    function: Callable[[Any, Any], Any]
    weights: Any  # `jax.ShapeDtypeStruct`s
    shape: tuple[int, ...]  # of the input


NAMES = {
    "unet": "UNet, batch of 2",
    "decoder": "decoder",
    "features": "RAFT, features of a picture",
    "flow": f"RAFT, flow of two pictures in {UPDATES} updates",
}


def measure(
    jobs: Sequence[Job],
    pytorch: bool,
    repetitions: int,
    limits: Mapping[str, float],
    at_once: int,
) -> Iterator[Figure]:
    """Time the networks of each job, in which nothing is recomputed.

    `limits` are operations a second, by products; `at_once` processes prepare what is timed.
    """
    sides: dict[str, Callable[[Job, str, int], Seconds]] = {OURS: ours}
    if pytorch:
        sides[PYTORCH] = pytorch_parts.measure
    counts = all_of([partial(operations, jobs[0], name) for name in NAMES], at_once)
    counted = dict(zip(NAMES, counts, strict=True))
    asked = [(job, name, by) for job in jobs for name in NAMES for by in sides]
    calls = [partial(sides[by], job, name, repetitions) for job, name, by in asked]
    for (job, name, by), times in zip(asked, several(calls, at_once), strict=True):
        if isinstance(times, OutOfMemoryError):
            times = {FORWARD: (), GRADIENT: ()}
        for direction, spent in times.items():
            yield Figure(
                f"{NAMES[name]}, {direction}, {job.products}",
                by,
                spent,
                operations=counted[name][direction],
                limit=limits[job.products],
                note=_program(by) if spent else "not enough memory",
            )


def _program(by: str) -> str:
    package = "jax" if by == OURS else "torch"
    return f"{package} {importlib.metadata.version(package)}"


def ours(job: Job, name: str, repetitions: int) -> Seconds:
    """Time one of our networks. For good: the process should end after it."""
    jax_run.prepare(job)
    with turn():
        part = _part(job, name)
        weights = _drawn(part.weights)
        x = jax.random.normal(jax.random.key(1), part.shape)
        programs = {
            FORWARD: jax.jit(part.function),
            GRADIENT: jax.jit(_with_gradient(part.function)),
        }
        return {
            direction: seconds(lambda run=run: run(weights, x), repetitions)  # type: ignore[misc]
            for direction, run in programs.items()
        }


def operations(job: Job, name: str) -> Mapping[str, int]:
    """Of the matrix products and convolutions, by direction."""
    part = _part(job, name)
    x = jax.eval_shape(lambda: jnp.zeros(part.shape))
    return {
        FORWARD: flops.of(part.function, part.weights, x),
        GRADIENT: flops.of(_with_gradient(part.function), part.weights, x),
    }


def _with_gradient(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """The value, and the gradient of its sum to the input."""

    def both(weights: Any, x: Any) -> Any:
        out, pull = jax.vjp(lambda x: function(weights, x), x)
        return out, pull(jnp.ones_like(out))

    return both


def _part(job: Job, name: str) -> Part:
    config = architecture(SIZES[job.network_size])
    net = networks.build(config, job.precision, "nothing")
    grid = job.size // FACTOR
    pictures = (job.batch, job.size, job.size, 3)
    match name:
        case "unet":
            row = jax.tree.map(lambda column: column[0], schedule.ddim(job.levels))
            words = jnp.ones((2 * job.batch, config.text.length, config.unet.context))
            return Part(
                lambda weights, z: net.denoise(weights, z, row, words),
                guided_step.cast(checkpoint.shapes(config).unet, job.precision),
                (2 * job.batch, grid, grid, config.vae.latent),
            )
        case "decoder":
            return Part(
                net.decode,
                guided_step.cast(checkpoint.shapes(config).vae, job.precision),
                (job.batch, grid, grid, config.vae.latent),
            )
    network = raft.load(job.flow_model, statistics="batch", dtype=job.precision)
    weights = jax.eval_shape(lambda: network.params)
    if name == "features":
        return Part(
            lambda weights, x: sum(
                leaf.sum() for leaf in jax.tree.leaves(network.features(weights, x))
            ),
            weights,
            pictures,
        )
    source = network.features(network.params, jnp.zeros(pictures))
    return Part(
        lambda weights, x: network.flow_from(weights, source, x, UPDATES), weights, pictures
    )


def _drawn(weights: Any) -> Any:
    """Kernels that keep the variance of what they multiply; ones for all else."""

    def draw(weight: Any) -> Any:
        if len(weight.shape) < 2:
            return jnp.ones(weight.shape, weight.dtype)
        size = weight.size // weight.shape[-1]
        return jax.random.normal(jax.random.key(0), weight.shape, weight.dtype) * size**-0.5

    return jax.tree.map(draw, weights)
