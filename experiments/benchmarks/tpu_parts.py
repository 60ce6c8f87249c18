"""Parts of a full-size guided step, with their gradients, as functions of shapes."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from experiments import jax_run
from experiments.benchmarks import guided_step
from experiments.comparison import SIZES, Job, architecture
from mg_jax import guiding
from mg_jax.models.stable_diffusion import networks
from mg_jax.prompting import classifier_free

PARTS = ("energy", "decoder", "unet", "step")


def part(name: str, job: Job) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """A part of the job's step, with its gradient, and the shapes of its arguments."""
    step = guided_step.shaped(job)
    _, state, rows, problem = step.arguments
    row = jax.eval_shape(lambda rows: jax.tree.map(lambda column: column[0], rows), rows)
    params, net = (
        problem.params,
        networks.build(architecture(SIZES[job.network_size]), job.precision, job.remat),
    )
    match name:
        case "energy":
            energy = guiding.energy(jax_run.raft_of(job), False)
            return _with_gradient(
                lambda image, flow, target, row: energy(flow, target, image, row)[0]
            ), (problem.edit.target.source, params.flow, problem.edit.target, row)
        case "decoder":
            return _with_gradient(lambda z, vae: net.decode(vae, z)), (state.z, params.decoder)
        case "unet":
            denoise = classifier_free(net.denoise)
            return _with_gradient(lambda z, unet, row, prompt: denoise(unet, z, row, prompt)), (
                state.z,
                params.denoiser,
                row,
                problem.prompt,
            )
        case _:
            return step.level, step.arguments


def _with_gradient(function: Callable[..., Any]) -> Callable[..., Any]:
    """The value, and the gradient of its sum to the first argument."""

    def both(first: Any, *others: Any) -> Any:
        out, pull = jax.vjp(lambda first: function(first, *others), first)
        return out, pull(jnp.ones_like(out))

    return both
