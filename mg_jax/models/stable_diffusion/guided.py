"""The paper's algorithm: edit with Stable Diffusion, from photo and flow to full size."""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key, UInt8

from flows import nearest, warping
from flows.interfaces import FlowNetwork
from flows.motion import Motion
from mg_jax import (
    compilation,
    energies,
    guiding,
    images,
    inversion,
    kernel,
    noise,
    sample,
    schedule,
)
from mg_jax.filling import fill
from mg_jax.interfaces import ModelResult, Request
from mg_jax.models.stable_diffusion import inputs, inverted, networks
from mg_jax.models.stable_diffusion.loading import StableDiffusion
from mg_jax.models.stable_diffusion.networks import Networks
from mg_jax.models.stable_diffusion.replay import Replay, check, in_pixels
from mg_jax.models.stable_diffusion.settings import StableDiffusionSettings
from mg_jax.nn.recomputing import Remat
from mg_jax.prompting import Prompt, classifier_free
from mg_jax.sample import Phase, Phases
from mg_jax.types import Denoiser, Energy, Info, Latent, Params, Problem, State

_FEATHER = 1 / 128  # width of the blend from photo to edit, as a share of the picture's size


def edit(
    request: Request, flow_network: FlowNetwork, model: StableDiffusion
) -> Phases[ModelResult]:
    """Edit with given networks; first the photo is inverted, if the settings say so.

    Outside the edit region pictures are the photo, unless `settings.finish` says otherwise.

    Raises:
        ValueError: an array of `replay` does not fit the run; the message begins "replay: ".
    """
    photo, keys, settings = request.image, request.keys, settings_of(request)
    replay = request.replay or Replay()
    remat: Remat = "nothing" if settings.remat == "nothing" else "blocks"
    net = networks.build(model.config, settings.dtype, remat)
    levels = settings.steps
    skipped = min(round(settings.warm_start * levels), levels - 1)
    plan = _plan(flow_network, settings, skipped, request.energy)
    evaluations = sum(way.recursions for way in plan[skipped:])
    shape = inputs.work_shape(photo.shape[:2], settings.working_size)
    check(replay, shape, keys.size, evaluations, settings, model)
    if replay.trajectory is None and settings.source == "inverted":
        found = yield from inverted.trajectory_of(
            photo, request.prompt, model, net, settings, name=""
        )
        replay = replay._replace(trajectory=found.latents, unconditional=found.unconditional)
    region = region_of(request, replay)
    flow = request.motion.flow
    problem = problem_of(photo, flow, region, flow_network, settings, model, net, replay)
    problem = guiding.repeated(problem, keys.size)
    prompt = inputs.prompt_of(request.prompt, keys.size, settings.cfg_scale, model, net)
    problem = problem._replace(prompt=_with_null_text(prompt, replay))
    rows = schedule.ddim(levels, request.ramp)
    programs = {
        way: _program(
            net,
            way.energy,
            way.recursions,
            settings.gradient_every,
            settings.gradient_through,
            settings.clip_over,
            replay.trajectory is not None,
            replay.unconditional is not None,
            replay.recording is not None,
        )
        for way in set(plan[skipped:])
    }
    randomness = keys if replay.recording is None else jnp.asarray(replay.recording)
    grid = problem.edit.keep.shape[1:3]
    if skipped:
        z = _warm(photo, request.motion, settings, model, net, keys, float(rows.alpha[skipped]))
    else:
        z = _start(grid, keys, replay, model)

    def step(level: int, state: State) -> tuple[State, Info]:
        row = schedule.rows(rows, level, level + 1)
        return programs[plan[level]](randomness, state, row, problem)

    state = yield Phase(
        "sampling",
        range(skipped, levels),
        kernel.init(z),
        step,
        sample.estimate(lambda clean: inputs.decoded(clean, model, net)),
    )
    pictures = inputs.decoded(state.z, model, net)
    finished = [_finished(photo, region, one, settings) for one in pictures]
    return ModelResult(np.stack(finished), region, np.asarray(state.z, np.float32))


def settings_of(request: Request) -> StableDiffusionSettings:
    """Return the request's settings, which must be this model's."""
    assert isinstance(request.settings, StableDiffusionSettings)
    return request.settings


def region_of(request: Request, replay: Replay) -> Bool[np.ndarray, "H W"]:
    """Where the picture may change: outside the keep mask, by default around the motion."""
    if replay.keep is not None:
        return ~in_pixels(replay.keep, request.image.shape[:2])
    if request.keep_mask is not None:
        return ~request.keep_mask
    return request.motion.region


class _Way(NamedTuple):
    """How a level is run."""

    energy: Energy
    recursions: int


def _plan(
    flow_network: FlowNetwork,
    settings: StableDiffusionSettings,
    skipped: int,
    energy: Energy | None,
) -> list[_Way]:
    """Decide how each level is run, if the first ones are skipped; at least one run is guided."""
    guided = _Way(energy or guiding.energy(flow_network, settings.oracle_flow), settings.recursions)
    first, last = (
        round(share * settings.steps) for share in (settings.guided_from, settings.guided_until)
    )
    free = _Way(energies.nothing, 1)
    first = min(first, settings.steps - 1)
    last = max(last, first + 1, skipped + 1)
    return [guided if first <= i < last else free for i in range(settings.steps)]


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


def pasted(
    photo: UInt8[np.ndarray, "H W 3"],
    region: Bool[np.ndarray, "H W"],
    picture: UInt8[np.ndarray, "H W 3"],
) -> UInt8[np.ndarray, "H W 3"]:
    """Paste the picture into the photo inside the region, blended along the region's inner rim."""
    depth = nearest.distance(~region)
    share = np.clip(depth / (_FEATHER * np.sqrt(region.size) + 1), 0, 1)[..., None]
    mixed = photo + share * (picture.astype(np.float32) - photo)
    return np.asarray(np.rint(mixed), np.uint8)


def _finished(
    photo: UInt8[np.ndarray, "H W 3"],
    region: Bool[np.ndarray, "H W"],
    picture: UInt8[np.ndarray, "h w 3"],
    settings: StableDiffusionSettings,
) -> UInt8[np.ndarray, "H W 3"]:
    full = images.resize(picture, *photo.shape[:2])
    return full if settings.finish == "decoded" else pasted(photo, region, full)


def _with_null_text(prompt: Prompt, replay: Replay) -> Prompt:
    if replay.unconditional is None:
        return prompt
    samples = prompt.conditional.shape[0]
    return prompt._replace(unconditional=jnp.repeat(replay.unconditional[:, None], samples, axis=1))


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


@functools.cache
def _program(
    net: Networks,
    energy: Energy,
    recursions: int,
    gradient_every: int,
    gradient_through: str,
    clip_over: str,
    stored: bool,
    null_text: bool,
    replayed: bool,
) -> Callable[..., tuple[State, Info]]:
    """Make the jitted program of one way of sampling; cached."""
    denoise: Denoiser = classifier_free(net.denoise)
    if null_text:
        denoise = inversion.per_level(denoise)
    guided = kernel.build(
        kernel.without_gradient(denoise) if gradient_through == "estimate" else denoise,
        net.decode,
        energy,
        kernel.stored_source if stored else kernel.noised_source,
        noise.replay if replayed else noise.gaussian,
        recursions,
        kernel.norm_of_batch if clip_over == "batch" else kernel.norm_of_sample,
        gradient_every,
    )
    return compilation.jit_lean(functools.partial(sample.scan, guided))
