"""The public functions for notebooks and programs: from a photo and a flow to the edited photo."""

import dataclasses
import warnings
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float, Int, UInt8

from flows.motion import Motion
from mg_jax import (
    arguments,
    checking,
    compilation,
    fingerprint,
    history,
    metrics,
    networks,
    noise,
    notes,
    running,
)
from mg_jax import devices as spreading
from mg_jax.arguments import Anything
from mg_jax.checkpoint import EVERY
from mg_jax.history import History
from mg_jax.interfaces import Model, ModelResult, Request
from mg_jax.models import registry
from mg_jax.models.patch import preview as patch_preview
from mg_jax.models.patch.enlarging import region_of, work_motion
from mg_jax.models.stable_diffusion.loading import StableDiffusion
from mg_jax.models.stable_diffusion.replay import Replay
from mg_jax.networks import Named
from mg_jax.notes import EditWarning
from mg_jax.result import Result
from mg_jax.running import Saving
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
    devices: int | None = None,
    callback: Callable[[Step], None] | None = None,
    record: int = 0,
    progress: bool = True,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = EVERY,
) -> Result:
    """Edit a photo so that its pixels move as a flow says.

    Arguments that look like a mistake cause an `EditWarning`. Compiled programs are kept on disk,
    where JAX is set up to keep them, else in ~/.cache/mg_jax/programs.

    Args:
        image: the photo: uint8 [h, w, 3] of NumPy or JAX, a PIL picture or a file, whose profile,
            EXIF, opacity and depth `Result.save` keeps (see `mg_jax.photos`).
        flow: where each pixel goes, (dx, dy) in pixels: floats [h, w, 2], a file, or words like
            "rotate degrees=20" (see `flows.motions`), which need `mask`.
        prompt: describes the result; for Stable Diffusion only.
        model: "patch", "preview" (see `preview`; it reads no settings), "tiny" (random weights,
            for trying programs out), or Stable Diffusion 1.x or 2.x: a diffusers folder, an
            original .safetensors or .ckpt, a folder by `experiments.convert_weights`, a hub id (id,
            id@revision, id/file.safetensors), or loaded weights (see
            `mg_jax.load_stable_diffusion`); or a `Model` of your own.
        seed: sample i draws the noise of seed `seed` + i.
        mask: what moves, by a flow in words or of all that another flow moves: bool [h, w], a
            picture (see `mask_files`: white moves), a file, or words like "click 300,220" (see
            `flows.selections`).
        samples: how many results are drawn, 1 to 1000.
        keep_mask: the pixels that must stay as they are, given like `mask`; by default all but the
            motion's source and destination and a margin around them.
        order: the object of each pixel, 1 and up, 0 at rest: where two land on each other, the one
            with the larger number lies on top. By default the larger connected part does.
        flow_model: the flow network that guides the edit and measures the result: one of
            `flows.networks.NAMES`, a file, or a network.
        settings: the model's own: `PatchSettings` or `StableDiffusionSettings`.
        ramp: multiplies the guidance weight at each level; by default ones.
        replay: start, trajectory, latent mask or noise of another run, at the working size; for
            Stable Diffusion only.
        energy: guides instead of the paper's energy (see `mg_jax.types.Energy`).
        devices: over how many devices, at most, several samples are spread; by default over all.
            With several processes, of each process; each then returns its own samples (see
            `mg_jax.devices`), and `seed` of its result is that of the first of them.
        callback: called with each `Step`; an exception that it raises stops the run.
        record: keep the estimate of every `record`-th level, for `Result.animation`; 0: of none.
        progress: show a progress bar, if in a terminal or notebook.
        checkpoint: a folder in which the run is saved while it is made, and from which the same
            call goes on after a stop. SIGTERM then saves the run, and ends the process with 143.
        checkpoint_every: save after so many levels.

    Raises:
        ValueError: one line that names the argument or file, what is wrong, what is expected.
    """
    compilation.keep_programs()
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
        mesh=spreading.mesh(samples, devices),
    )
    for note in notes.for_request(asked):
        warnings.warn(note, EditWarning, stacklevel=2)
    result = run(
        asked,
        callback,
        record=record,
        progress=progress,
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
    )
    for note in notes.for_metrics(result.metrics):
        warnings.warn(note, EditWarning, stacklevel=2)
    return result


def run(
    request: Request,
    callback: Callable[[Step], None] | None = None,
    *,
    record: int = 0,
    progress: bool = True,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = EVERY,
) -> Result:
    """Run a checked request; all other arguments as for `edit`.

    Raises:
        ValueError: `record` is below 0, or `checkpoint` is not a folder for this run.
        Preempted: SIGTERM came, and the run is saved in `checkpoint`.
    """
    if record < 0:
        raise ValueError(f"record: {record}; expected 0, no level, or every so many levels")
    saving = None
    if checkpoint is not None:
        prints = fingerprint.of_request(request, record)
        saving = Saving(Path(checkpoint), prints, checkpoint_every)
    with compilation.spent() as spent:
        edited, recording = running.run(
            request.model.edit(request),
            request.keys.size,
            callback=callback,
            record=record,
            progress=progress,
            saving=saving,
        )
        rows = history.of_samples(recording.history, 0, request.samples)
        result = measured(request, edited, rows)
    return dataclasses.replace(
        result, metrics=result.metrics | spent, estimates=tuple(recording.estimates)
    )


def measured(request: Request, edited: ModelResult, rows: History) -> Result:
    """Measure the samples of an edit, and return its result; only times and memory are missing."""
    image, motion = request.image, request.motion
    pictures = edited.images[: request.samples]
    judge = networks.flow_network(request.flow_model)
    flows = [metrics.flow_between(judge, image, picture) for picture in pictures]
    judged = metrics.measurable(judge, image, motion)
    scores = [
        metrics.measure(image, picture, motion, edited.region, estimate, judged)
        for picture, estimate in zip(pictures, flows, strict=True)
    ]
    return Result(
        image=pictures[0],
        images=pictures,
        source=image,
        flow=motion.flow,
        region=edited.region,
        estimate=flows[0],
        latents=edited.latents[: request.samples],
        history=rows,
        metrics={
            **scores[0],
            "samples": scores,
            "model": request.model.name,
            "flow_model": networks.name(request.flow_model),
            "device": jax.local_devices()[0].device_kind,
        },
        settings=dataclasses.asdict(request.settings),
        seed=request.seed,
        original=request.original,
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
    mesh: Mesh | None = None,
) -> Request:
    """Check the arguments of `edit`, load the networks, and return the request for `run`.

    Several samples on a `mesh` (see `mg_jax.devices`) are of all its processes; the request is for
    this one's.

    Raises:
        ValueError: one line that names the argument, what is wrong with it, what is expected.
    """
    chosen = registry.find(model)
    photo = arguments.photo(image)
    shape = photo.pixels.shape[:2]
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
        if value is not None and name not in chosen.accepts:
            raise ValueError(f"{name}: the model {chosen.name} reads none; expected none")
    settings = settings or chosen.settings
    if order is not None:
        checking.order(order, shape)
    if not 1 <= samples <= _MOST_SAMPLES:
        raise ValueError(f"samples: {samples}; expected 1 to {_MOST_SAMPLES}")
    keep, notes = None, photo.notes
    if keep_mask is not None:
        keep, decided = arguments.selection("keep_mask", keep_mask, photo)
        checking.keep_mask(keep, shape)
        notes += decided
    if ramp is not None:
        checking.ramp(ramp, settings.steps)
    moved = arguments.flow(flow, mask, photo)
    if order is None and "order" in chosen.accepts:
        order = moved.order
    spread = mesh if samples > 1 else None
    own = range(samples) if spread is None else spreading.share(samples)
    padding = spreading.padding(samples, spread)
    numbers = np.minimum(np.arange(own.start, own.stop + padding), own.stop - 1)
    checked = Request(
        model=chosen,
        seed=seed + own.start,
        image=photo.pixels,
        motion=Motion(moved.flow.astype(np.float32)),
        keys=noise.keys(seed, samples)[numbers],
        settings=settings,
        ramp=np.ones(settings.steps) if ramp is None else ramp,
        flow_model=flow_model,
        prompt=prompt,
        keep_mask=keep,
        order=order,
        replay=replay,
        energy=energy,
        original=photo.original,
        notes=notes + moved.notes,
        mesh=mesh,
        padding=padding,
    )
    return chosen.check(checked)


def preview(
    image: Anything,
    flow: Anything,
    order: Int[np.ndarray, "h w"] | None = None,
    *,
    mask: Anything | None = None,
) -> UInt8[np.ndarray, "h w 3"]:
    """Move the photo's layers over its filled-in background, without diffusion.

    For interactive use, and as the baseline "layered warp": no sampling, no flow network, nothing
    to compile. Arguments are those of `edit`.

    Raises:
        ValueError: one line that names the argument, what is wrong with it, what is expected.
    """
    photo = arguments.photo(image)
    moved = arguments.flow(flow, mask, photo)
    for note in photo.notes + moved.notes:
        warnings.warn(note, EditWarning, stacklevel=2)
    order = moved.order if order is None else arguments.numbers("order", order)
    if order is not None:
        checking.order(order, photo.pixels.shape[:2])
    motion = work_motion(photo.pixels, Motion(moved.flow), order)
    return patch_preview.preview(photo.pixels, motion, region_of(photo.pixels, motion))
