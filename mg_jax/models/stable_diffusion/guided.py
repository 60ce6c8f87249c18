"""An edit with Stable Diffusion, from photo and flow to full size: the paper's algorithm."""

import functools
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key, UInt8
from scipy import ndimage

from flows.raft import Raft
from mg_jax import guiding, images, kernel, noise, parallel, sampling, schedule, tracing
from mg_jax.models.stable_diffusion import networks
from mg_jax.models.stable_diffusion.loading import StableDiffusion
from mg_jax.models.stable_diffusion.networks import Networks
from mg_jax.models.stable_diffusion.settings import Settings
from mg_jax.prompting import Prompt, classifier_free
from mg_jax.tracing import Progress, Trace
from mg_jax.types import Edit, Energy, Info, Knobs, Params, Problem, State

_MULTIPLE = 64  # of the work picture's sides: latents are 8 pixels wide, and halved three times
_SMALLEST = 128  # pixels a side that the flow network needs
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
) -> tuple[UInt8[np.ndarray, "b H W 3"], Trace]:
    """Edited pictures of the photo's size, one a key; outside `region` they are the photo.

    `ramp` has a value for each level.
    """
    net = networks.build(model.config, settings.dtype, "blocks")
    problem = guiding.repeated(
        problem_of(photo, flow, region, raft, settings, model, net), keys.size
    )._replace(prompt=prompt_of(prompt, keys.size, settings.cfg_scale, model, net))
    rows = schedule.ddim(settings.steps, ramp)
    program = _program(net, guiding.energy(raft, settings.oracle_flow), settings.recursions)
    state = kernel.init(noise.start(keys, problem.edit.source.shape))
    traces = []
    for i in range(settings.steps):
        state, info = program(keys, state, schedule.rows(rows, i, i + 1), problem)
        traces.append(tracing.of_level(info, 0, i))
        report(tracing.progress(traces[-1], i + 1, settings.steps))
    decoded = _compiled(net.decode)(problem.params.decoder, state.z)
    edited = [pasted(photo, region, images.to_uint8(one)) for one in decoded]
    return np.stack(edited), tracing.joined(traces)


def work_shape(shape: tuple[int, ...], size: int) -> tuple[int, int]:
    """Height and width to work at: multiples of 64, nearly of the photo's form and size² pixels."""
    height, width = shape
    aspect = (height / width) ** 0.5

    def rounded(length: float) -> int:
        return max(_SMALLEST, _MULTIPLE * round(length / _MULTIPLE))

    return rounded(size * aspect), rounded(size / aspect)


def problem_of(
    photo: UInt8[np.ndarray, "H W 3"],
    flow: Float[np.ndarray, "H W 2"],
    region: Bool[np.ndarray, "H W"],
    raft: Raft,
    settings: Settings,
    model: StableDiffusion,
    net: Networks,
) -> Problem:
    """The problem of one sample, but for its prompt."""
    height, width = work_shape(region.shape, settings.size)
    factor = model.config.vae.factor
    seen = jnp.asarray(images.to_float(images.resize(photo, height, width)))[None]
    source = _compiled(net.encode)(model.weights.vae, seen)
    grid = (height // factor, width // factor)
    inside = images.box(region[..., None].astype(np.float32), grid)[..., 0] > 0
    edit = Edit(
        source=source,
        keep=jnp.asarray(~inside)[None, ..., None],
        steer=jnp.ones((*source.shape[:3], 1)),
        target=guiding.target(
            seen,
            flow,
            settings.size,
            settings,
            raft.params,
            guiding.features(raft),
        ),
    )
    one = jnp.ones(1)
    return Problem(
        Params(model.weights.unet, model.weights.vae, raft.params),
        edit,
        Knobs(one * settings.guidance_weight, one * settings.clip),
        (),
    )


def prompt_of(
    text: str, samples: int, scale: float, model: StableDiffusion, net: Networks
) -> Prompt:
    """The prompt of all samples; the unconditional one is the empty text."""
    tokens = jnp.asarray(model.tokenizer.encode(["", text]))
    unconditional, conditional = (
        jnp.repeat(one[None], samples, axis=0)
        for one in _compiled(net.embed)(model.weights.text, tokens)
    )
    return Prompt(unconditional, conditional, jnp.full(samples, scale))


def pasted(
    photo: UInt8[np.ndarray, "H W 3"],
    region: Bool[np.ndarray, "H W"],
    decoded: UInt8[np.ndarray, "h w 3"],
) -> UInt8[np.ndarray, "H W 3"]:
    """The photo with the decoded picture, at any size, in the region, its rim blended inwards."""
    height, width = region.shape
    new = images.resize(decoded, height, width).astype(np.float32)
    depth = ndimage.distance_transform_edt(region)
    share = np.clip(depth / (_FEATHER * np.sqrt(region.size) + 1), 0, 1)[..., None]
    mixed = photo + share * (new - photo)
    return np.asarray(np.rint(mixed), np.uint8)


# Programs are made once a process and kept: jax compiles each once for a shape of its arguments.

_compiled = functools.cache(parallel.jit_lean)


@functools.cache
def _program(net: Networks, energy: Energy, repetitions: int) -> Callable[..., tuple[State, Info]]:
    guided = kernel.build(
        classifier_free(net.denoise),
        net.decode,
        energy,
        kernel.noised_source,
        noise.gaussian,
        repetitions,
    )
    return parallel.jit_lean(functools.partial(sampling.run, guided))
