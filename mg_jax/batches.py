"""Edit many photos: where the model can, in one program, spread over all devices."""

import contextlib
import dataclasses
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Required, TypedDict

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float, Int

from mg_jax import api, compilation, fingerprint, history, notes, running
from mg_jax import devices as spreading
from mg_jax.arguments import Anything
from mg_jax.checkpoint import EVERY
from mg_jax.interfaces import BatchModel, Model, Request
from mg_jax.models import registry
from mg_jax.models.stable_diffusion.loading import StableDiffusion
from mg_jax.models.stable_diffusion.replay import Replay
from mg_jax.networks import Named
from mg_jax.notes import EditWarning
from mg_jax.result import Result
from mg_jax.running import Saving
from mg_jax.sample import Step
from mg_jax.settings import Settings
from mg_jax.types import Energy


class Asked(TypedDict, total=False):
    """One edit of a batch: the arguments of `mg_jax.edit` that may differ from edit to edit."""

    image: Required[Anything]
    flow: Required[Anything]
    prompt: str
    seed: int
    mask: Anything | None
    keep_mask: Anything | None
    order: Int[np.ndarray, "h w"] | None
    settings: Settings | None
    replay: Replay | None


def edit_batch(
    edits: Sequence[Asked],
    model: str | Path | StableDiffusion | Model = registry.PATCH,
    *,
    flow_model: Named = "raft-small",
    settings: Settings | None = None,
    ramp: Float[np.ndarray, " levels"] | None = None,
    energy: Energy | None = None,
    devices: int | None = None,
    callback: Callable[[Step], None] | None = None,
    progress: bool = True,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = EVERY,
) -> list[Result]:
    """Edit many photos; return a result for each, with one sample.

    Stable Diffusion runs all edits in one program, spread over the devices. Its photos must have
    one size at work, and settings must agree in what shapes the program: strengths (weights, clip,
    cfg_scale) may differ. For more samples of an edit, list it with other seeds. The patch model,
    whose parameters belong to one photo, does one edit after the other, on one device.

    With several processes each calls this with the same number of edits, reads only its own, those
    of `mg_jax.devices.share(len(edits))`, and returns their results.

    Args:
        edits: the arguments of each edit, as `{"image": "a.jpg", "flow": "a.npz", "seed": 3}`.
        model: as for `mg_jax.edit`; as all that follows, of all edits.
        flow_model: the flow network that guides the edits and measures the results.
        settings: the model's own; of edits that have none themselves.
        ramp: multiplies the guidance weight at each level; by default ones.
        energy: guides instead of the paper's energy.
        devices: how many devices are used at most, of each process; by default all.
        callback: called with each `Step`, whose arrays hold all edits of this process in order, and
            after them copies of the last that keep all devices alike; an exception that it raises
            stops the run.
        progress: show a progress bar, if in a terminal or notebook.
        checkpoint: a folder in which the batch is saved, and from which it goes on (see
            `mg_jax.edit`), the same for all processes; each edit of the patch model has one in it.
        checkpoint_every: save after so many levels.

    In the results' metrics, times and memory are of the whole batch.

    Raises:
        ValueError: one line that begins with the argument, as "edits[2]: flow: zero everywhere".
    """
    compilation.keep_programs()
    if not edits:
        raise ValueError("edits: none; expected one or more")
    chosen = registry.find(model)
    mesh = _mesh(chosen, len(edits), devices)
    requests: list[Request] = []
    for i in spreading.share(len(edits)):
        with _named(f"edits[{i}]"):
            one = _request(edits[i], chosen, flow_model, settings, ramp, energy, mesh)
            if isinstance(chosen, BatchModel) and requests:
                _check_alike(chosen.form(one), chosen.form(requests[0]))
        requests.append(one)
    if not isinstance(chosen, BatchModel):
        results = []
        for i, request in zip(spreading.share(len(edits)), requests, strict=True):
            folder = None if checkpoint is None else Path(checkpoint) / str(i)
            results.append(
                api.run(
                    request,
                    callback,
                    progress=progress,
                    checkpoint=folder,
                    checkpoint_every=checkpoint_every,
                )
            )
        return results
    padding = spreading.padding(len(edits), mesh)
    if not requests:
        return []
    return _run(chosen, requests, padding, callback, progress, checkpoint, checkpoint_every)


def _mesh(model: Model, count: int, devices: int | None) -> Mesh | None:
    """The devices of a batch; None where one does everything, or the model knows no batches."""
    if not isinstance(model, BatchModel):
        if devices is not None:
            raise ValueError(f"devices: {devices}; expected none, as {model.name} uses one an edit")
        if count > 1 and jax.local_device_count() > 1:
            warnings.warn(
                f"the model {model.name} does one edit after the other, on one device",
                EditWarning,
                stacklevel=3,
            )
        return None
    if 1 < count < jax.process_count():
        raise ValueError(
            f"edits: {count} for {jax.process_count()} processes; expected one each or more"
        )
    return spreading.mesh(count, devices)


def _request(
    asked: Asked,
    model: Model,
    flow_model: Named,
    settings: Settings | None,
    ramp: Float[np.ndarray, " levels"] | None,
    energy: Energy | None,
    mesh: Mesh | None,
) -> Request:
    """Check one edit; tell what may be a mistake."""
    if unknown := asked.keys() - Asked.__annotations__.keys():
        known = ", ".join(Asked.__annotations__)
        raise ValueError(f"{min(unknown)}: unknown; expected some of {known}")
    if missing := Asked.__required_keys__ - asked.keys():
        raise ValueError(f"{min(missing)}: missing; expected one")
    one = api.request(
        asked["image"],
        asked["flow"],
        asked.get("prompt", ""),
        model,
        asked.get("seed", 0),
        mask=asked.get("mask"),
        keep_mask=asked.get("keep_mask"),
        order=asked.get("order"),
        flow_model=flow_model,
        settings=asked.get("settings") or settings,
        ramp=ramp,
        replay=asked.get("replay"),
        energy=energy,
        mesh=mesh,
    )
    for note in notes.for_request(one):
        warnings.warn(note, EditWarning, stacklevel=3)
    return one


def _check_alike(form: Mapping[str, Any], first: Mapping[str, Any]) -> None:
    """Check that an edit can run in the program of the batch's first one."""
    for name, value in form.items():
        if value != first[name]:
            raise ValueError(
                f"{name}: {value}; expected {first[name]}, as in the first edit of the batch"
            )


def _run(
    model: BatchModel,
    requests: list[Request],
    padding: int,
    callback: Callable[[Step], None] | None,
    progress: bool,
    checkpoint: str | Path | None,
    checkpoint_every: int,
) -> list[Result]:
    filled = [*requests, *[requests[-1]] * padding]
    saving = None
    if checkpoint is not None:
        prints = fingerprint.of_batch(requests)
        saving = Saving(Path(checkpoint), prints, checkpoint_every)
    with compilation.spent() as spent:
        edited, recording = running.run(
            model.edit_batch(filled),
            len(filled),
            callback=callback,
            progress=progress,
            saving=saving,
        )
        rows = recording.history
        results = [
            api.measured(one, result, history.of_samples(rows, i, 1))
            for i, (one, result) in enumerate(zip(requests, edited, strict=False))
        ]
    return [dataclasses.replace(result, metrics=result.metrics | spent) for result in results]


@contextlib.contextmanager
def _named(name: str) -> Iterator[None]:
    """Begin a ValueError of the block with a name."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
