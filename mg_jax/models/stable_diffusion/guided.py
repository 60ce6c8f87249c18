"""The paper's algorithm: edit with Stable Diffusion, from photos and flows to full size."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jax.sharding import Mesh
from jaxtyping import Bool, Float32, UInt8

from flows import nearest
from flows.interfaces import FlowNetwork
from mg_jax import (
    compilation,
    devices,
    energies,
    guiding,
    images,
    inversion,
    kernel,
    noise,
    sample,
    schedule,
)
from mg_jax.interfaces import ModelResult, Request
from mg_jax.models.stable_diffusion import inputs, inverted, networks
from mg_jax.models.stable_diffusion.batch import (
    Stored,
    prepare,
    region_of,
    settings_of,
    specs,
    stored,
)
from mg_jax.models.stable_diffusion.loading import StableDiffusion
from mg_jax.models.stable_diffusion.networks import Networks
from mg_jax.models.stable_diffusion.replay import Replay, check
from mg_jax.models.stable_diffusion.settings import StableDiffusionSettings
from mg_jax.nn.recomputing import Remat
from mg_jax.prompting import classifier_free
from mg_jax.sample import Phase, Phases
from mg_jax.trajectory import digest
from mg_jax.types import Denoiser, Energy, Info, Latent, Params, State

_FEATHER = 1 / 128  # width of the blend from photo to edit, as a share of the picture's size


def edit(
    requests: Sequence[Request], flow_network: FlowNetwork, model: StableDiffusion
) -> Phases[list[ModelResult]]:
    """Edit photos with given networks; first they are inverted, if the settings say so.

    All samples of all requests run in one program, on the devices of the first request;
    `batch.form` must be equal for all. Outside the edit region pictures are the photo, unless
    `settings.finish` says otherwise.

    Raises:
        ValueError: an array of a `replay` does not fit the run; the message begins "replay: ".
    """
    settings, mesh = settings_of(requests[0]), requests[0].mesh
    remat: Remat = "nothing" if settings.remat == "nothing" else "blocks"
    net = networks.build(model.config, settings.dtype, remat)
    levels = settings.steps
    skipped = min(round(settings.warm_start * levels), levels - 1)
    plan = _plan(flow_network, settings, skipped, requests[0].energy)
    evaluations = sum(way.recursions for way in plan[skipped:])
    for request in requests:
        shape = inputs.work_shape(request.image.shape[:2], settings.working_size)
        check(request.replay or Replay(), shape, request.keys.size, evaluations, settings, model)
    spread = replace(model, weights=devices.put(model.weights, mesh, devices.NOWHERE))
    # One device prepares all, with the programs of an edit on one device.
    near = model if mesh is None else replace(model, weights=devices.first(spread.weights))
    replays = yield from _with_trajectories(requests, near, net)
    rows = schedule.ddim(levels, requests[0].ramp)
    alpha = float(rows.alpha[skipped]) if skipped else None
    reads = stored(requests[0])
    where = specs(reads)
    batch = devices.joined(
        [
            prepare(request, replay, alpha, flow_network, near, net)
            for request, replay in zip(requests, replays, strict=True)
        ],
        where,
    )
    params = Params(spread.weights.unet, spread.weights.vae, flow_network.params)
    batch = batch._replace(problem=batch.problem._replace(params=params))
    batch = devices.put(batch, mesh, where)
    programs = {
        way: _program(
            net,
            way.energy,
            way.recursions,
            settings.gradient_every,
            settings.gradient_through,
            settings.clip_over,
            reads,
            mesh,
        )
        for way in set(plan[skipped:])
    }

    def step(level: int, state: State) -> tuple[State, Info]:
        row = devices.put(schedule.rows(rows, level, level + 1), mesh, devices.NOWHERE)
        return programs[plan[level]](batch.randomness, state, row, batch.problem)

    def decoded(latent: Latent) -> UInt8[np.ndarray, "b H W 3"]:
        return inputs.decoded(latent, spread, net, mesh)

    state = yield Phase(
        "sampling",
        range(skipped, levels),
        devices.put(kernel.init(batch.start), mesh, devices.STATE),
        step,
        sample.estimate(decoded),
        examples=[plan.index(way, skipped) for way in programs],
    )
    ends = np.cumsum([request.keys.size for request in requests])[:-1]
    pictures = np.split(decoded(state.z), ends)
    latents = np.split(np.asarray(devices.local(state.z), np.float32), ends)
    return [
        _result(*of_request)
        for of_request in zip(requests, replays, pictures, latents, strict=True)
    ]


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


def _with_trajectories(
    requests: Sequence[Request], model: StableDiffusion, net: Networks
) -> Phases[list[Replay]]:
    """Return each request's replay, with the photo's trajectory if it must be inverted.

    One after the other; a photo that several requests invert alike is inverted once.
    """
    found: dict[tuple[str, str, StableDiffusionSettings], Replay] = {}
    replays = []
    for request in requests:
        replay, settings = request.replay or Replay(), settings_of(request)
        if replay.trajectory is None and settings.source == "inverted":
            alike = (digest(request.image), request.prompt, settings)
            if alike not in found:
                path = yield from inverted.trajectory_of(
                    request.image, request.prompt, model, net, settings, name=""
                )
                found[alike] = Replay(trajectory=path.latents, unconditional=path.unconditional)
            of_photo = found[alike]
            replay = replay._replace(
                trajectory=of_photo.trajectory, unconditional=of_photo.unconditional
            )
        replays.append(replay)
    return replays


def _result(
    request: Request,
    replay: Replay,
    pictures: UInt8[np.ndarray, "b h w 3"],
    latents: Float32[np.ndarray, "b lh lw c"],
) -> ModelResult:
    """Bring a request's decoded pictures to the photo's size, and into the photo."""
    photo, region = request.image, region_of(request, replay)
    full = [images.resize(picture, *photo.shape[:2]) for picture in pictures]
    if settings_of(request).finish == "pasted":
        full = [pasted(photo, region, picture) for picture in full]
    return ModelResult(np.stack(full), region, latents)


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


@functools.cache
def _program(
    net: Networks,
    energy: Energy,
    recursions: int,
    gradient_every: int,
    gradient_through: str,
    clip_over: str,
    reads: Stored,
    mesh: Mesh | None,
) -> Callable[..., tuple[State, Info]]:
    """Make the jitted program of one way of sampling; cached."""
    denoise: Denoiser = classifier_free(net.denoise)
    if reads.unconditional:
        denoise = inversion.per_level(denoise)
    guided = kernel.build(
        kernel.without_gradient(denoise) if gradient_through == "estimate" else denoise,
        net.decode,
        energy,
        kernel.stored_source if reads.trajectory else kernel.noised_source,
        noise.replay if reads.recording else noise.gaussian,
        recursions,
        kernel.norm_of_batch if clip_over == "batch" else kernel.norm_of_sample,
        gradient_every,
    )
    where = specs(reads)
    arguments = (where.randomness, devices.STATE, devices.NOWHERE, where.problem)
    program = functools.partial(sample.scan, guided)
    return compilation.jit_lean(
        devices.spread(program, mesh, arguments, (devices.STATE, devices.INFO))
    )
