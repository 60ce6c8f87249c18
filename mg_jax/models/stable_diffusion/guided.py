"""An edit with Stable Diffusion, from photo and flow to full size: the paper's algorithm."""

import functools
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key, UInt8

from flows import nearest, warping
from flows.raft import Raft
from mg_jax import (
    energies,
    guiding,
    images,
    inversion,
    kernel,
    noise,
    parallel,
    sampling,
    schedule,
    tracing,
)
from mg_jax.filling import fill
from mg_jax.models.stable_diffusion import inputs, inverted, networks
from mg_jax.models.stable_diffusion.given import Given, check
from mg_jax.models.stable_diffusion.loading import StableDiffusion
from mg_jax.models.stable_diffusion.networks import Networks
from mg_jax.models.stable_diffusion.settings import Settings
from mg_jax.nn.recomputing import Remat
from mg_jax.prompting import Prompt, classifier_free
from mg_jax.sampling import Done
from mg_jax.tracing import Progress, Trace
from mg_jax.types import Denoiser, Edit, Energy, Info, Knobs, Latent, Params, Problem, State

_FEATHER = 1 / 128  # seam of decoded picture and photo, as a share of the picture's size


def run(
    photo: UInt8[np.ndarray, "H W 3"],
    flow: Float[np.ndarray, "H W 2"],
    region: Bool[np.ndarray, "H W"],
    raft: Raft,
    keys: Key[Array, " b"],
    settings: Settings,
    ramp: Float[np.ndarray, " levels"],
    report: Callable[[Progress], None],
    model: StableDiffusion,
    prompt: str,
    given: Given,
) -> tuple[UInt8[np.ndarray, "b H W 3"], Trace]:
    """Edited pictures of the photo's size, one a key.

    Outside `region` they are the photo, unless `settings.finish` says otherwise. `ramp` has a value
    for each level.

    Raises:
        ValueError: something given that is of another shape than the run's; it begins "given: ".
    """
    remat: Remat = "nothing" if settings.remat == "nothing" else "blocks"
    net = networks.build(model.config, settings.dtype, remat)
    levels = settings.steps
    skipped = min(round(settings.warm_start * levels), levels - 1)
    plan = _plan(raft, settings, skipped)
    evaluations = sum(way.repetitions for way in plan[skipped:])
    check(
        given,
        inputs.work_shape(photo.shape[:2], settings.size),
        keys.size,
        evaluations,
        settings,
        model,
    )
    before = -skipped
    if given.trajectory is None and settings.source == "inverted":
        before += levels * (2 if settings.null_text else 1)
        given = _found(photo, prompt, model, net, settings, given, _early(report, before + levels))
    problem = problem_of(photo, flow, region, raft, settings, model, net, given)
    problem = guiding.repeated(problem, keys.size)
    told = inputs.prompt_of(prompt, keys.size, settings.cfg_scale, model, net)
    problem = problem._replace(prompt=_with_null_text(told, given))
    rows = schedule.ddim(levels, ramp)
    programs = {
        way: _program(
            net,
            way.energy,
            way.repetitions,
            settings.gradient_every,
            settings.gradient_through,
            settings.clip_over,
            given.trajectory is not None,
            given.unconditional is not None,
            given.recording is not None,
        )
        for way in set(plan[skipped:])
    }
    randomness = keys if given.recording is None else jnp.asarray(given.recording)
    grid = problem.edit.keep.shape[1:3]
    if skipped:
        z = _warm(photo, flow, settings, model, net, keys, float(rows.alpha[skipped]))
    else:
        z = _start(grid, keys, given, model)

    def run_levels(state: State) -> Iterator[Done]:
        for i in range(skipped, levels):
            row = schedule.rows(rows, i, i + 1)
            state, info = programs[plan[i]](randomness, state, row, problem)
            yield Done(i, state, info)

    traces = []
    for done in sampling.behind(run_levels(kernel.init(z))):
        traces.append(tracing.of_level(done.info, 0, done.level))
        report(tracing.progress(traces[-1], before + done.level + 1, before + levels))
    pictures = inputs.decoded(done.state.z, model, net)
    return np.stack([_finished(photo, region, one, settings) for one in pictures]), tracing.joined(
        traces
    )


class _Way(NamedTuple):
    """How a level is run."""

    energy: Energy
    repetitions: int


def _plan(raft: Raft, settings: Settings, skipped: int) -> list[_Way]:
    """How each level is run, if the first ones are skipped; however few, one is guided."""
    guided = _Way(guiding.energy(raft, settings.oracle_flow), settings.recursions)
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
    raft: Raft,
    settings: Settings,
    model: StableDiffusion,
    net: Networks,
    given: Given,
) -> Problem:
    """The problem of one sample, but for its prompt."""
    seen = inputs.work_picture(photo, settings)
    grid = (seen.shape[1] // model.config.vae.factor, seen.shape[2] // model.config.vae.factor)
    if given.trajectory is None:
        source = inputs.encoded(seen, model, net)
    else:
        source = jnp.asarray(given.trajectory)[:, None]
    keep = given.keep
    if keep is None:
        keep = images.box(region[..., None].astype(np.float32), grid) == 0
    edit = Edit(
        source=source,
        keep=jnp.asarray(keep)[None],
        steer=jnp.ones((1, *grid, 1)),
        target=guiding.target(
            seen, flow, settings.size, settings, raft.params, guiding.features(raft)
        ),
    )
    one = jnp.ones(1)
    return Problem(
        Params(model.weights.unet, model.weights.vae, raft.params),
        edit,
        Knobs(one * settings.guidance_weight, one * settings.clip),
        (),
    )


def pasted(
    photo: UInt8[np.ndarray, "H W 3"],
    region: Bool[np.ndarray, "H W"],
    picture: UInt8[np.ndarray, "H W 3"],
) -> UInt8[np.ndarray, "H W 3"]:
    """The photo with the picture in the region, its rim blended inwards."""
    depth = nearest.distance(~region)
    share = np.clip(depth / (_FEATHER * np.sqrt(region.size) + 1), 0, 1)[..., None]
    mixed = photo + share * (picture.astype(np.float32) - photo)
    return np.asarray(np.rint(mixed), np.uint8)


def _finished(
    photo: UInt8[np.ndarray, "H W 3"],
    region: Bool[np.ndarray, "H W"],
    picture: UInt8[np.ndarray, "h w 3"],
    settings: Settings,
) -> UInt8[np.ndarray, "H W 3"]:
    full = images.resize(picture, *photo.shape[:2])
    return full if settings.finish == "decoded" else pasted(photo, region, full)


def _found(
    photo: UInt8[np.ndarray, "H W 3"],
    prompt: str,
    model: StableDiffusion,
    net: Networks,
    settings: Settings,
    given: Given,
    report: Callable[[int, int], None],
) -> Given:
    """What was given, with the photo's trajectory by inversion."""
    found = inverted.trajectory_of(photo, prompt, model, net, settings, report, name="")
    return given._replace(trajectory=found.latents, unconditional=found.unconditional)


def _early(report: Callable[[Progress], None], total: int) -> Callable[[int, int], None]:
    """Report of levels inverted, as progress of the whole run; there is no energy yet."""
    return lambda done, _: report(Progress(done, total, math.nan, math.nan))


def _with_null_text(told: Prompt, given: Given) -> Prompt:
    if given.unconditional is None:
        return told
    samples = told.conditional.shape[0]
    return told._replace(unconditional=jnp.repeat(given.unconditional[:, None], samples, axis=1))


def _start(
    grid: tuple[int, ...], keys: Key[Array, " b"], given: Given, model: StableDiffusion
) -> Latent:
    """The latent given; else the trajectory's noisiest; else noise."""
    start = given.start
    if start is None and given.trajectory is not None:
        start = given.trajectory[0]
    if start is None:
        return noise.start(keys, (keys.size, *grid, model.config.vae.latent))
    return jnp.repeat(jnp.asarray(start)[None], keys.size, axis=0)


def _warm(
    photo: UInt8[np.ndarray, "H W 3"],
    flow: Float[np.ndarray, "H W 2"],
    settings: Settings,
    model: StableDiffusion,
    net: Networks,
    keys: Key[Array, " b"],
    alpha: float,
) -> Latent:
    """The photo moved along the flow, its holes filled, noised to the level of `alpha`."""
    moved = fill(*warping.forward(photo, flow))
    clean = inputs.encoded(inputs.work_picture(moved, settings), model, net)
    shape = (keys.size, *clean.shape[1:])
    return math.sqrt(alpha) * clean + math.sqrt(1 - alpha) * noise.start(keys, shape)


@functools.cache
def _program(
    net: Networks,
    energy: Energy,
    repetitions: int,
    gradient_every: int,
    gradient_through: str,
    clip_over: str,
    stored: bool,
    null_text: bool,
    replayed: bool,
) -> Callable[..., tuple[State, Info]]:
    """One program for each way of sampling, made once a process."""
    denoise: Denoiser = classifier_free(net.denoise)
    if null_text:
        denoise = inversion.per_level(denoise)
    guided = kernel.build(
        kernel.constant(denoise) if gradient_through == "estimate" else denoise,
        net.decode,
        energy,
        kernel.stored_source if stored else kernel.noised_source,
        noise.replay if replayed else noise.gaussian,
        repetitions,
        kernel.norm_of_batch if clip_over == "batch" else kernel.norm_of_sample,
        gradient_every,
    )
    return parallel.jit_lean(functools.partial(sampling.run, guided), donated=1)
