"""The door of notebooks and programs: a photo and a flow in, the edited photo out."""

import functools
import io
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Float32, Int, Key, UInt8
from PIL import Image as Pillow

from flows import draw, masks, raft
from mg_jax import checking, metrics, noise, parallel
from mg_jax.models.patch import coarse_to_fine
from mg_jax.models.patch.motion import Motion, understood
from mg_jax.models.patch.settings import Settings as PatchSettings
from mg_jax.models.stable_diffusion import guided, loading
from mg_jax.models.stable_diffusion.given import NOTHING, Given, in_pixels
from mg_jax.models.stable_diffusion.settings import Settings as StableDiffusionSettings
from mg_jax.settings import Settings
from mg_jax.tracing import Progress, Trace

PATCH = "patch"
PREVIEW = "preview"

_MOST_SAMPLES = 1000


@dataclass(frozen=True)
class Result:
    """An edit. Jupyter shows its picture."""

    image: UInt8[np.ndarray, "h w 3"]  # of the first sample
    images: UInt8[np.ndarray, "b h w 3"]  # of all samples
    source: UInt8[np.ndarray, "h w 3"]
    flow: Float32[np.ndarray, "h w 2"]  # asked for
    region: Bool[np.ndarray, "h w"]  # where the picture might change
    estimate: Float32[np.ndarray, "h w 2"] = field(repr=False)  # F(source, image)
    metrics: dict[str, float | str | list[dict[str, float | None]] | None]
    trace: Trace = field(repr=False)

    def overview(self) -> UInt8[np.ndarray, "_ _ 3"]:
        """Sheet of the source, the flow asked for, the result, and the flow that it has."""
        largest = float(np.linalg.norm(self.flow, axis=-1).max())
        asked, found = (
            draw.legend(draw.colors(flow, largest), largest) for flow in (self.flow, self.estimate)
        )
        return draw.sheet(
            [
                ("source and motion", draw.arrows(self.source, self.flow)),
                ("flow asked for", asked),
                ("edited", self.image),
                (metrics.verdict(self.metrics), found),
            ]
        )

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        Pillow.fromarray(self.image).save(stream, "png")
        return stream.getvalue()


def edit(
    image: UInt8[np.ndarray, "h w 3"],
    flow: Float[np.ndarray, "h w 2"],
    prompt: str = "",
    model: str = "patch",
    seed: int = 0,
    *,
    samples: int = 1,
    keep_mask: Bool[np.ndarray, "h w"] | None = None,
    order: Int[np.ndarray, "h w"] | None = None,
    flow_model: str = "raft-small",
    settings: Settings | None = None,
    ramp: Float[np.ndarray, " levels"] | None = None,
    given: Given = NOTHING,
    report: Callable[[Progress], None] = lambda _: None,
) -> Result:
    """Edit a photo so that it has moved, against what it was, by a flow.

    `flow` says in pixels (dx, dy) where each pixel of `image` goes. `keep_mask` marks pixels that
    must stay as they are; by default all but the motion's source and destination and a margin
    round them. `order` numbers the pixels of several objects, 0 what rests: where two land on each
    other, the one of the larger number lies on top (default: of parts that hang together, the
    larger). Sample i draws the noise of seed `seed` + i. `ramp` multiplies the guidance
    weight at each level (default: ones). `report` is called after each level.

    `model` is "patch", "preview" (see `preview`; it reads no settings), or Stable Diffusion 1.x or
    2.x: a diffusers folder, an original .safetensors or .ckpt, a folder by
    `experiments.convert_weights`, or a hub id. `settings` are the model's own: `PatchSettings`,
    `StableDiffusionSettings`; `prompt` is for the latter, and `given`: start, trajectory, latent
    mask or noise of another run, at the size worked at.

    Raises:
        ValueError: one line that names the argument, what is wrong with it, what is expected.
    """
    start = time.perf_counter()
    settings = settings or defaults(model)
    check(
        image,
        flow,
        prompt,
        model,
        seed,
        samples=samples,
        keep_mask=keep_mask,
        order=order,
        flow_model=flow_model,
        settings=settings,
        ramp=ramp,
        given=given,
    )
    ramp = np.ones(settings.steps) if ramp is None else ramp
    flow = flow.astype(np.float32)
    motion = understood(image, flow, order) if model in (PATCH, PREVIEW) else None
    if given.keep is not None:
        region = ~in_pixels(given.keep, image.shape[:2])
    elif keep_mask is not None:
        region = ~keep_mask
    else:
        region = motion.region if motion else masks.edit_region(flow, masks.margin(flow))
    judge = flow_network(flow_model, "running")
    with parallel.compile_time() as compiling:
        edited, trace = _sampler(model, prompt, flow_model, settings, given)(
            image, motion or flow, region, keys=noise.keys(seed, samples), ramp=ramp, report=report
        )
        estimates = [metrics.flow_between(judge, image, one) for one in edited]
        judged = metrics.judgeable(judge, image, flow)
        scores = [
            metrics.measure(image, one, flow, region, estimate, judged)
            for one, estimate in zip(edited, estimates, strict=True)
        ]
    return Result(
        image=edited[0],
        images=edited,
        source=image,
        flow=flow,
        region=region,
        estimate=estimates[0],
        metrics={
            **scores[0],
            "samples": scores,
            "seconds": time.perf_counter() - start,
            "seconds_compile": compiling.seconds,
            "peak_memory_bytes": parallel.peak_memory(),
            "model": model,
            "flow_model": flow_model,
            "device": jax.devices()[0].device_kind,
        },
        trace=trace,
    )


def check(
    image: np.ndarray,
    flow: np.ndarray,
    prompt: str = "",
    model: str = "patch",
    seed: int = 0,
    *,
    samples: int = 1,
    keep_mask: np.ndarray | None = None,
    order: np.ndarray | None = None,
    flow_model: str = "raft-small",
    settings: Settings | None = None,
    ramp: np.ndarray | None = None,
    given: Given = NOTHING,
) -> None:
    """Refuse what `edit` would, before any work is done; the flow network is read.

    Raises:
        ValueError: one line that names the argument, what is wrong with it, what is expected.
    """
    checking.image(image)
    checking.flow(flow, image.shape[:2])
    settings = settings or defaults(model)
    if type(settings) is not type(defaults(model)):
        wanted = "PatchSettings" if model in (PATCH, PREVIEW) else "StableDiffusionSettings"
        raise ValueError(f"settings: not for the model {model}; expected {wanted}")
    if model == PREVIEW and settings != defaults(PREVIEW):
        raise ValueError("settings: the preview reads none; expected none")
    if model in (PATCH, PREVIEW) and prompt:
        raise ValueError(f"prompt: the {model} model reads no text; expected none")
    if order is not None:
        checking.order(order, image.shape[:2])
        if model not in (PATCH, PREVIEW):
            raise ValueError("order: Stable Diffusion reads none; expected none")
    if not 1 <= samples <= _MOST_SAMPLES:
        raise ValueError(f"samples: {samples}; expected 1 to {_MOST_SAMPLES}")
    noise.keys(seed, samples)
    if keep_mask is not None:
        checking.keep_mask(keep_mask, image.shape[:2])
    if ramp is not None:
        checking.ramp(ramp, settings.steps)
    if model in (PATCH, PREVIEW) and any(one is not None for one in given):
        raise ValueError(f"given: not for the {model} model; expected nothing")
    _sampler(model, prompt, flow_model, settings, given)


def flow_network(
    name: str, statistics: raft.Statistics = "running", dtype: str = "float32"
) -> raft.Raft:
    """The flow network of a name or file, computing in `dtype`, read once a process.

    Raises:
        ValueError: as `flows.raft.load`.
    """
    return _flow_network(name, statistics, dtype)


@functools.cache  # which tells f(x) from f(x, default): only this form is asked
def _flow_network(name: str, statistics: raft.Statistics, dtype: str) -> raft.Raft:
    return raft.load(name, statistics=statistics, dtype=dtype)


@functools.lru_cache(maxsize=1)
def stable_diffusion(source: str, dtype: str) -> loading.StableDiffusion:
    """The Stable Diffusion that a name stands for, parameters as `dtype`; the last one is kept.

    Raises:
        ValueError: as `mg_jax.models.stable_diffusion.loading.load`, after "model: ".
    """
    try:
        return loading.load(source, dtype=dtype)
    except ValueError as error:
        raise ValueError(f"model: {error}") from error


def defaults(model: str) -> Settings:
    """The settings that a model is run with when nothing else is asked."""
    return PatchSettings() if model in (PATCH, PREVIEW) else StableDiffusionSettings()


def _sampler(
    model: str, prompt: str, flow_model: str, settings: Settings, given: Given
) -> Callable[..., tuple[UInt8[np.ndarray, "b h w 3"], Trace]]:
    match settings:
        case PatchSettings() if model == PREVIEW:
            return _previewed
        case PatchSettings():
            return functools.partial(
                coarse_to_fine.run, raft=flow_network(flow_model), settings=settings
            )
        case StableDiffusionSettings():
            statistics: raft.Statistics = (
                "batch" if settings.flow_statistics == "batch" else "running"
            )
            return functools.partial(
                guided.run,
                raft=flow_network(flow_model, statistics, settings.dtype),
                settings=settings,
                model=stable_diffusion(model, settings.dtype),
                prompt=prompt,
                given=given,
            )
    raise TypeError(settings)


def preview(
    image: UInt8[np.ndarray, "h w 3"],
    flow: Float[np.ndarray, "h w 2"],
    order: Int[np.ndarray, "h w"] | None = None,
) -> UInt8[np.ndarray, "h w 3"]:
    """The motion carried out at once: layers moved over a continued ground, without diffusion.

    For interactive use, and as the baseline "layered warp": no sampling, no flow network, nothing
    to compile. Arguments are those of `edit`.

    Raises:
        ValueError: one line that names the argument, what is wrong with it, what is expected.
    """
    checking.image(image)
    checking.flow(flow, image.shape[:2])
    if order is not None:
        checking.order(order, image.shape[:2])
    motion = understood(image, flow, order)
    return coarse_to_fine.preview(image, motion, motion.region)


def _previewed(
    image: UInt8[np.ndarray, "h w 3"],
    motion: Motion,
    region: Bool[np.ndarray, "h w"],
    keys: Key[Array, " b"],
    ramp: Float[np.ndarray, " levels"],  # noqa: ARG001
    report: Callable[[Progress], None],  # noqa: ARG001
) -> tuple[UInt8[np.ndarray, "b h w 3"], Trace]:
    """The preview, once for each key, as the result of a run without levels."""
    picture = coarse_to_fine.preview(image, motion, region)
    none, nothing = np.zeros(0, np.int64), np.zeros((0, keys.size))
    trace = Trace(none, none, none, nothing, nothing, nothing, nothing)
    return np.stack([picture] * keys.size), trace
