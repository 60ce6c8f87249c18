"""What the samples of one program run with: their noise, first latents and problem, as arrays.

Requests whose `form` is equal run in one program, as one batch.
"""

import dataclasses
import math
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key, UInt8

from flows import warping
from flows.interfaces import FlowNetwork
from flows.motion import Motion
from mg_jax import devices, guiding, images, noise
from mg_jax.filling import fill
from mg_jax.interfaces import Request
from mg_jax.models.stable_diffusion import inputs
from mg_jax.models.stable_diffusion.loading import StableDiffusion
from mg_jax.models.stable_diffusion.networks import Networks
from mg_jax.models.stable_diffusion.replay import Replay, in_pixels
from mg_jax.models.stable_diffusion.settings import StableDiffusionSettings
from mg_jax.prompting import Prompt
from mg_jax.types import Latent, Params, Problem

# Settings that are numbers of the problem, or serve before or after the program.
_OF_EACH = frozenset(
    (
        *("guidance_weight", "color_weight", "flow_weight", "clip", "cfg_scale"),
        *("occlusion_masking", "inversion_iterations", "null_text", "finish"),
    )
)


class Stored(NamedTuple):
    """What a program reads of a replay, or of the photo's inversion, instead of drawing it."""

    trajectory: bool
    unconditional: bool
    recording: bool


class Batch(NamedTuple):
    """What the samples of one program run with; or the partition specs of it."""

    randomness: Any  # a key for each sample, or recorded noise
    start: Latent
    problem: Problem


def settings_of(request: Request) -> StableDiffusionSettings:
    """Return the request's settings, which must be this model's."""
    assert isinstance(request.settings, StableDiffusionSettings)
    return request.settings


def stored(request: Request) -> Stored:
    """Find out what the request's program reads from storage."""
    replay, settings = request.replay or Replay(), settings_of(request)
    inverted = replay.trajectory is None and settings.source == "inverted"
    return Stored(
        inverted or replay.trajectory is not None,
        replay.unconditional is not None or (inverted and settings.null_text > 0),
        replay.recording is not None,
    )


def form(request: Request) -> dict[str, Any]:
    """Collect what shapes a request's program, by the name of the argument or setting."""
    settings = settings_of(request)
    height, width = inputs.work_shape(request.image.shape[:2], settings.working_size)
    shared = {
        name: value for name, value in dataclasses.asdict(settings).items() if name not in _OF_EACH
    }
    replayed = [name for name, is_so in stored(request)._asdict().items() if is_so]
    return {
        **shared,
        "image": f"{width}x{height} at work",
        "replay": " and ".join(replayed) or "nothing",
    }


def specs(stored: Stored) -> Batch:
    """Partition specs of a batch (see `mg_jax.devices`)."""
    prompt = Prompt(
        devices.SECOND if stored.unconditional else devices.FIRST, devices.FIRST, devices.FIRST
    )
    return Batch(
        devices.THIRD if stored.recording else devices.FIRST,
        devices.FIRST,
        devices.problem(stored.trajectory, prompt),
    )


def region_of(request: Request, replay: Replay) -> Bool[np.ndarray, "H W"]:
    """Where the picture may change: outside the keep mask, by default around the motion."""
    if replay.keep is not None:
        return ~in_pixels(replay.keep, request.image.shape[:2])
    if request.keep_mask is not None:
        return ~request.keep_mask
    return request.motion.region


def prepare(
    request: Request,
    replay: Replay,
    alpha: float | None,
    flow_network: FlowNetwork,
    model: StableDiffusion,
    net: Networks,
) -> Batch:
    """Prepare the samples of one request.

    `replay` has the photo's trajectory, if it has been inverted. `alpha`, if any, is that of the
    level at which a warm start begins.
    """
    photo, keys, settings = request.image, request.keys, settings_of(request)
    region = region_of(request, replay)
    problem = problem_of(
        photo, request.motion.flow, region, flow_network, settings, model, net, replay
    )
    problem = guiding.repeated(problem, keys.size)
    prompt = inputs.prompt_of(request.prompt, keys.size, settings.cfg_scale, model, net)
    problem = problem._replace(prompt=_with_null_text(prompt, replay))
    if alpha is None:
        start = _start(problem.edit.keep.shape[1:3], keys, replay, model)
    else:
        start = _warm(photo, request.motion, settings, model, net, keys, alpha)
    return Batch(
        keys if replay.recording is None else jnp.asarray(replay.recording), start, problem
    )


def problem_of(
    photo: UInt8[np.ndarray, "H W 3"],
    flow: Float[np.ndarray, "H W 2"],
    region: Bool[np.ndarray, "H W"],
    flow_network: FlowNetwork,
    settings: StableDiffusionSettings,
    model: StableDiffusion,
    net: Networks,
    replay: Replay,
) -> Problem:
    """The problem of one sample, without its prompt."""
    seen = inputs.work_picture(photo, settings)
    grid = (seen.shape[1] // model.config.vae.factor, seen.shape[2] // model.config.vae.factor)
    if replay.trajectory is None:
        source = inputs.encoded(seen, model, net)
    else:
        source = jnp.asarray(replay.trajectory)[:, None]
    keep = replay.keep
    if keep is None:
        keep = images.box(region[..., None].astype(np.float32), grid) == 0
    return guiding.problem(
        Params(model.weights.unet, model.weights.vae, flow_network.params),
        source,
        keep,
        np.ones((*grid, 1), np.float32),
        guiding.target(
            seen,
            flow,
            settings.working_size,
            settings,
            flow_network.params,
            guiding.features(flow_network),
        ),
        settings.guidance_weight,
        settings.clip,
    )


def _with_null_text(prompt: Prompt, replay: Replay) -> Prompt:
    if replay.unconditional is None:
        return prompt
    samples = prompt.conditional.shape[0]
    # In the host's memory: only its own samples' embeddings go to a device.
    return prompt._replace(unconditional=np.repeat(replay.unconditional[:, None], samples, axis=1))


def _start(
    grid: tuple[int, ...], keys: Key[Array, " b"], replay: Replay, model: StableDiffusion
) -> Latent:
    """The replay's latent to start from, else its trajectory's noisiest one, else noise."""
    start = replay.start
    if start is None and replay.trajectory is not None:
        start = replay.trajectory[0]
    if start is None:
        return noise.start(keys, (keys.size, *grid, model.config.vae.latent))
    return jnp.repeat(jnp.asarray(start)[None], keys.size, axis=0)


def _warm(
    photo: UInt8[np.ndarray, "H W 3"],
    motion: Motion,
    settings: StableDiffusionSettings,
    model: StableDiffusion,
    net: Networks,
    keys: Key[Array, " b"],
    alpha: float,
) -> Latent:
    """Warp the photo forward, fill its holes, encode it, and add noise to the level of `alpha`."""
    moved = fill(*warping.forward(photo, motion))
    clean = inputs.encoded(inputs.work_picture(moved, settings), model, net)
    shape = (keys.size, *clean.shape[1:])
    return math.sqrt(alpha) * clean + math.sqrt(1 - alpha) * noise.start(keys, shape)
