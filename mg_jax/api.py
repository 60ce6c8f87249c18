"""The door of notebooks and programs: a photo and a flow in, the edited photo out."""

import dataclasses
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Float, Int, UInt8
from tqdm.auto import tqdm

from flows.motion import Motion
from mg_jax import arguments, checking, history, metrics, networks, noise, notes, parallel, sample
from mg_jax.arguments import Anything
from mg_jax.interfaces import Model, Request
from mg_jax.models import registry
from mg_jax.models.patch import preview as patch_preview
from mg_jax.models.patch.motion import understood
from mg_jax.models.stable_diffusion.loading import StableDiffusion
from mg_jax.models.stable_diffusion.replay import Replay
from mg_jax.networks import Named
from mg_jax.notes import EditWarning
from mg_jax.progress import show
from mg_jax.result import Result
from mg_jax.sample import Step
from mg_jax.settings import Settings
from mg_jax.types import Energy

_MOST_SAMPLES = 1000


def edit(
    image: Anything,
    flow: Anything,
    prompt: str = "",
    model: str | Path | StableDiffusion | Model = registry.PATCH,
    seed: int = 0,
    *,
    mask: Anything | None = None,
    samples: int = 1,
    keep_mask: Anything | None = None,
    order: Int[np.ndarray, "h w"] | None = None,
    flow_model: Named = "raft-small",
    settings: Settings | None = None,
    ramp: Float[np.ndarray, " levels"] | None = None,
    replay: Replay | None = None,
    energy: Energy | None = None,
    callback: Callable[[Step], None] | None = None,
    record: int = 0,
    progress: bool = True,
) -> Result:
    """Edit a photo so that it has moved, against what it was, by a flow.

    `image` is uint8 [h, w, 3], of NumPy or JAX, a PIL picture or a file. `flow` says in pixels
    (dx, dy) where each pixel goes: floats [h, w, 2], a file, or words as "rotate degrees=20" (see
    `flows.motions`) with `mask`, what moves: bool [h, w], a picture, white there, a file, or words
    as "click 300,220" (see `flows.selections`). `keep_mask`, given likewise, marks pixels that
    must stay as they are; by default all but the motion's source and destination and a margin
    round them. `order` numbers the pixels of several objects, 0 what rests: where two land on each
    other, the one of the larger number lies on top (default: of parts that hang together, the
    larger). Sample i draws the noise of seed `seed` + i. `ramp` multiplies the guidance
    weight at each level (default: ones).

    `model` is "patch", "preview" (see `preview`; it reads no settings), or Stable Diffusion 1.x or
    2.x: a diffusers folder, an original .safetensors or .ckpt, a folder by
    `experiments.convert_weights`, a hub id, or loaded weights; or a `Model` of your own. `settings`
    are the model's own: `PatchSettings`, `StableDiffusionSettings`; `prompt` and `replay` (start,
    trajectory, latent mask or noise of another run, at the size worked at) are for the latter.

    `flow_model` guides and judges: a name of `flows.networks.NAMES`, a file, or a network.
    `energy` guides in the place of the paper's (`mg_jax.types.Energy`). `callback` is called with
    each `Step`; what it raises stops the run. Of every `record`-th level the estimate is kept, for
    `Result.animation`; 0 keeps none. `progress` shows a bar on a terminal or notebook. What may not
    be meant is told as an `EditWarning`. Compiled programs are kept on disk, where JAX is set up to
    keep them, else in ~/.cache/mg_jax/programs.

    Raises:
        ValueError: one line that names the argument or file, what is wrong, what is expected.
    """
    parallel.keep_programs()
    asked = request(
        image,
        flow,
        prompt,
        model,
        seed,
        mask=mask,
        samples=samples,
        keep_mask=keep_mask,
        order=order,
        flow_model=flow_model,
        settings=settings,
        ramp=ramp,
        replay=replay,
        energy=energy,
    )
    for note in notes.of(asked):
        warnings.warn(note, EditWarning, stacklevel=2)
    return run(asked, callback, record=record, progress=progress)


def run(
    request: Request,
    callback: Callable[[Step], None] | None = None,
    *,
    record: int = 0,
    progress: bool = True,
) -> Result:
    """Carry a request out; `callback`, `record` and `progress` as for `edit`.

    Raises:
        ValueError: `record` is below 0.
    """
    if record < 0:
        raise ValueError(f"record: {record}; expected 0, no level, or every so many levels")
    start = time.perf_counter()
    image, motion = request.image, request.motion
    parts: list[history.History] = []
    estimates: list[UInt8[np.ndarray, "h w 3"]] = []
    with (
        tqdm(desc="compiling", unit="level", disable=None if progress else True) as bar,
        parallel.compile_time() as compiling,
    ):

        def observe(step: Step) -> None:
            part = history.of_step(step)
            if part is not None:
                parts.append(part)
            show(bar, step)
            if record and step.info is not None and step.done % record == 0:
                estimates.append(step.picture()[0])
            if callback is not None:
                callback(step)

        edited = sample.run(request.model.edit(request), observe)
        judge = networks.flow_network(request.flow_model)
        flows = [metrics.flow_between(judge, image, one) for one in edited.images]
        judged = metrics.judgeable(judge, image, motion)
        scores = [
            metrics.measure(image, one, motion, edited.region, estimate, judged)
            for one, estimate in zip(edited.images, flows, strict=True)
        ]
    return Result(
        image=edited.images[0],
        images=edited.images,
        source=image,
        flow=motion.flow,
        region=edited.region,
        estimate=flows[0],
        estimates=tuple(estimates),
        latents=edited.latents,
        history=history.joined(parts, request.keys.size),
        metrics={
            **scores[0],
            "samples": scores,
            "seconds": time.perf_counter() - start,
            "seconds_compile": compiling.seconds,
            "peak_memory_bytes": parallel.peak_memory(),
            "model": request.model.name,
            "flow_model": networks.name(request.flow_model),
            "device": jax.devices()[0].device_kind,
        },
        settings=dataclasses.asdict(request.settings),
        seed=request.seed,
    )


def request(
    image: Anything,
    flow: Anything,
    prompt: str = "",
    model: str | Path | StableDiffusion | Model = registry.PATCH,
    seed: int = 0,
    *,
    mask: Anything | None = None,
    samples: int = 1,
    keep_mask: Anything | None = None,
    order: np.ndarray | None = None,
    flow_model: Named = "raft-small",
    settings: Settings | None = None,
    ramp: np.ndarray | None = None,
    replay: Replay | None = None,
    energy: Energy | None = None,
) -> Request:
    """What `run` carries out, made of `edit`'s arguments and checked; networks are read.

    Raises:
        ValueError: one line that names the argument, what is wrong with it, what is expected.
    """
    chosen = registry.find(model)
    photo = arguments.image(image)
    order = arguments.numbers("order", order)
    ramp = arguments.numbers("ramp", ramp)
    wanted = type(chosen.settings)
    if settings is not None and type(settings) is not wanted:
        raise ValueError(
            f"settings: {type(settings).__name__} for the model {chosen.name};"
            f" expected {wanted.__name__}"
        )
    given = {
        "prompt": prompt or None,
        "order": order,
        "replay": None if replay is None or all(one is None for one in replay) else replay,
        "settings": settings,
        "energy": energy,
    }
    for name, value in given.items():
        if value is not None and name not in chosen.reads:
            raise ValueError(f"{name}: the model {chosen.name} reads none; expected none")
    settings = settings or chosen.settings
    if order is not None:
        checking.order(order, photo.shape[:2])
    if not 1 <= samples <= _MOST_SAMPLES:
        raise ValueError(f"samples: {samples}; expected 1 to {_MOST_SAMPLES}")
    keep = None
    if keep_mask is not None:
        keep = arguments.selection("keep_mask", keep_mask, photo)
        checking.keep_mask(keep, photo.shape[:2])
    if ramp is not None:
        checking.ramp(ramp, settings.steps)
    moved = arguments.flow(flow, mask, photo)
    if order is None and "order" in chosen.reads:
        order = moved.order
    checked = Request(
        model=chosen,
        seed=seed,
        image=photo,
        motion=Motion(moved.flow.astype(np.float32)),
        keys=noise.keys(seed, samples),
        settings=settings,
        ramp=np.ones(settings.steps) if ramp is None else ramp,
        flow_model=flow_model,
        prompt=prompt,
        keep_mask=keep,
        order=order,
        replay=replay,
        energy=energy,
    )
    chosen.check(checked)
    return checked


def preview(
    image: Anything,
    flow: Anything,
    order: Int[np.ndarray, "h w"] | None = None,
    *,
    mask: Anything | None = None,
) -> UInt8[np.ndarray, "h w 3"]:
    """The motion carried out at once: layers moved over a continued ground, without diffusion.

    For interactive use, and as the baseline "layered warp": no sampling, no flow network, nothing
    to compile. Arguments are those of `edit`.

    Raises:
        ValueError: one line that names the argument, what is wrong with it, what is expected.
    """
    photo = arguments.image(image)
    moved = arguments.flow(flow, mask, photo)
    order = moved.order if order is None else arguments.numbers("order", order)
    if order is not None:
        checking.order(order, photo.shape[:2])
    motion = understood(photo, Motion(moved.flow), order)
    return patch_preview.preview(photo, motion, motion.region)
