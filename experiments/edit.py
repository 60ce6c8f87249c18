r"""Edit a photo by a motion field.

    python -m experiments.edit
    python -m experiments.edit --image=photo.jpg --motion="translate dx=150 dy=0" \
        --object_mask=mask.png --out=out/moved
    python -m experiments.edit --image=photo.jpg --motion="rotate degrees=20" \
        --object_mask="click 300,220" --out=out/turned
    python -m experiments.edit --image=photo.png --flow=flow.npz --out=out/flow
    python -m experiments.edit --model=CompVis/stable-diffusion-v1-4 --prompt="a cup" \
        --image=photo.jpg --flow=flow.npz --out=out/sd
    python -m experiments.edit --model=sd-v1-4.ckpt --preset=reference --reference_dir=data/apple \
        --flow=right --flow_model=raft-things.pth --prompt="an apple" --out=out/apple
    python -m experiments.edit --motion="rotate degrees=20" --film=out/turning.mp4

With no flag it moves the cup of the photo that ships with the repository. In --out it writes
edited.png (full size), overview.png, metrics.json, history.npz and config.json, and what
`mg_jax.Result.load` reads besides. A run that is stopped goes on when the same command is given
again (--checkpoint_every; saved in --out/checkpoint). With --distributed each process writes the
results of its own samples to process_0, process_1, … in --out (see docs/tpu_pod.md).
Time: see the README; nothing is downloaded.
"""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from absl import flags
from jax.sharding import Mesh
from jaxtyping import Bool, Float, Float32, Int32, UInt8

import mg_jax
from experiments import (
    checkpoint_flags,
    command,
    host_flags,
    loading_flags,
    motion_flags,
    program_flags,
    reading,
    setting_flags,
    writing,
)
from flows import files, selections
from mg_jax import (
    animation,
    api,
    checkpoint,
    devices,
    filming,
    metrics,
    notes,
    photos,
    reference,
    result,
)
from mg_jax.animation import Animation
from mg_jax.interfaces import Request
from mg_jax.models import registry
from mg_jax.models.stable_diffusion.checkpoint import Origin
from mg_jax.models.stable_diffusion.replay import in_pixels, of_trajectory
from mg_jax.photos import Photo
from mg_jax.settings import Settings

_LATENT = 8  # pixels a side

_SAME = "same"

flags.adopt_module_key_flags(motion_flags)
flags.adopt_module_key_flags(setting_flags)
flags.adopt_module_key_flags(checkpoint_flags)
flags.adopt_module_key_flags(host_flags)
flags.adopt_module_key_flags(program_flags)
_keep_mask = flags.DEFINE_string(
    "keep_mask",
    None,
    "Where the photo must stay: a picture, white there, or words as --object_mask.",
)
_prompt = flags.DEFINE_string("prompt", "", "Text for models that read one.")
_flow_model = flags.DEFINE_string(
    "flow_model",
    "raft-small",
    "Flow network: raft-small, raft-sintel, raft-kitti, gmflow or a file.",
)
_out = flags.DEFINE_string("out", "out/edit", "Folder for the results; made if missing.")
_seed = flags.DEFINE_integer("seed", 0, "Seed of the first sample.", lower_bound=0)
_samples = flags.DEFINE_integer("samples", 1, "Results to make, with seeds from --seed up.")
_devices = flags.DEFINE_integer(
    "devices", None, "Over how many devices, at most, several samples are spread (default: all)."
)
_trajectory = flags.DEFINE_string(
    "trajectory", None, "The photo's trajectory, by experiments.invert with the same settings."
)
_noise = flags.DEFINE_string(
    "noise", None, ".npy of all noise, [steps·recursions, 3, samples, h, w, 4], to repeat a run."
)
_reference_dir = flags.DEFINE_string(
    "reference_dir", None, "Data directory of the PyTorch reference; --flow names a flow in it."
)
_guidance_schedule = flags.DEFINE_string(
    "guidance_schedule", None, ".npy that multiplies the guidance weight level by level."
)
_film = flags.DEFINE_string(
    "film", None, "Also film the motion by degrees, to this .mp4, .webp or .gif file."
)
_frames = flags.DEFINE_integer("frames", 24, "Pictures of --film, 2 to 1000, the photo among them.")
_film_model = flags.DEFINE_enum(
    "film_model",
    registry.PREVIEW,
    [registry.PREVIEW, _SAME],
    "What makes the film: the preview, in seconds, or the edit's own model, an edit a picture.",
)

_CONFIG = "config.json"
_CHECKPOINT = "checkpoint"


class Inputs(NamedTuple):
    """What is read, and the file that each argument of `edit` is named after in errors."""

    image: Photo
    flow: Float32[np.ndarray, "h w 2"]
    order: Int32[np.ndarray, "h w"] | None
    keep_mask: Bool[np.ndarray, "h w"] | None
    ramp: Float[np.ndarray, " levels"] | None
    replay: mg_jax.Replay
    origins: dict[str, str]
    notes: tuple[str, ...] = ()  # of what was read, but for the photo's


def main() -> None:
    """Read, edit, write."""
    host_flags.start()
    program_flags.keep()
    out = _folder()
    written = [out / name for name in (*result.FILES, _CONFIG)]
    writing.check_apart([*written, *result.samples_in(out)], _inputs(), f"--out={out}")
    _check_film()
    request, read = asked()
    writing.folder(out, f"--out={out}")
    model = setting_flags.loaded(request.settings, request.mesh)
    origin = None if model is None else model.origin
    config = _config(request.settings, origin)
    if origin is not None:
        loading_flags.tell(setting_flags.model.value, origin)
    every, saved = checkpoint_flags.every(request.settings), Path(_out.value) / _CHECKPOINT
    command.note((*read.notes, *notes.for_request(request)))
    with reading.named(read.origins):
        edited = api.run(request, checkpoint=saved if every else None, checkpoint_every=every)
    (out / result.METRICS).unlink(missing_ok=True)
    with files.atomic(out / _CONFIG) as stream:
        stream.write((json.dumps(config, indent=2) + "\n").encode())
    edited.save(out)
    if every:
        checkpoint.remove(saved)
    if _film.value and jax.process_index() == 0:
        _filmed(request).save(_film.value)
    scores = edited.metrics
    command.note(notes.for_metrics(scores))
    print(
        f"{out / result.PICTURE}: {metrics.verdict(scores)},"
        f" {scores['seconds']:.0f} s ({scores['seconds_compile']:.0f} s of it compiling);"
        f" look at {out / result.OVERVIEW}"
    )


def asked() -> tuple[Request, Inputs]:
    """The edit that the flags ask for, checked, and what was read for it."""
    with reading.named({}):
        settings = setting_flags.read()
    accepts = setting_flags.chosen().accepts
    read = (_read_directory if _reference_dir.value else _read_files)(settings, accepts)
    with reading.named(read.origins):
        request = api.request(
            read.image,
            read.flow,
            _prompt.value,
            setting_flags.chosen(),
            _seed.value,
            samples=_samples.value,
            keep_mask=read.keep_mask,
            order=read.order,
            flow_model=_flow_model.value,
            settings=settings if "settings" in accepts else None,
            ramp=read.ramp,
            replay=read.replay,
            mesh=_mesh(),
        )
    return request, read


def _check_film() -> None:
    """Refuse a film that could not be written, before any work."""
    if _film.value is None:
        for flag in (_frames, _film_model):
            if flag.present:
                raise ValueError(f"--{flag.name}: of a film, but no --film is given; expected one")
        return
    path = Path(_film.value)
    with reading.named({}):
        animation.check_suffix(path)
        filming.check_frames(_frames.value)
    writing.check_apart([path], _inputs(), "--film")
    writing.folder(path.parent, "--film")


def _filmed(request: Request) -> Animation:
    if _film_model.value == registry.PREVIEW:
        preview = registry.find(registry.PREVIEW)
        request = dataclasses.replace(request, model=preview, settings=preview.settings)
    return filming.of_request(request, _frames.value)


def _folder() -> Path:
    """The folder of --out; of several processes, each has one in it, for its own samples."""
    out, count = Path(_out.value), jax.process_count()
    if count == 1:
        return out
    if _samples.value < count:
        raise ValueError(
            f"--samples: {_samples.value} for {count} processes; expected one each or more"
        )
    return out / f"process_{jax.process_index()}"


def _mesh() -> Mesh | None:
    """The devices of the samples; None: one does everything."""
    return devices.mesh(_samples.value, _devices.value)


def _read_files(settings: Settings, accepts: frozenset[str]) -> Inputs:
    """What the single flags name."""
    image = photos.read(motion_flags.image_path())
    keep = None
    if _keep_mask.value:
        keep = motion_flags.selection("--keep_mask", _keep_mask.value, image)
    layered = motion_flags.read_flow(image)
    return Inputs(
        image,
        layered.flow,
        layered.order if "order" in accepts else None,
        keep and keep.mask,
        reading.ramp(Path(_guidance_schedule.value)) if _guidance_schedule.value else None,
        _replay(image.pixels, settings, accepts),
        {"ramp": _guidance_schedule.value or "", "replay": _noise.value or ""},
        layered.notes + (keep.notes if keep else ()),
    )


def _read_directory(settings: Settings, accepts: frozenset[str]) -> Inputs:
    """What the reference's data directory holds; its masks and latents as they are."""
    folder = Path(_reference_dir.value or "")
    own_flags = (motion_flags.image, motion_flags.motion, motion_flags.object_mask)
    for flag in (*own_flags, _keep_mask, _trajectory):
        if flag.value:
            raise ValueError(f"--{flag.name}: given with --reference_dir, which has its own")
    if motion_flags.flow_is.value != "forward":
        raise ValueError("--flow_is: given with --reference_dir, whose flows are forward")
    replays = "replay" in accepts
    content = reference.read(folder, motion_flags.flow.value, settings.steps if replays else None)
    if content.flow is None:
        raise ValueError(f"{folder}: has no flows/NAME.pth; expected a flow")
    own = Path(_guidance_schedule.value) if _guidance_schedule.value else None
    name = reference.named_flow(folder, motion_flags.flow.value)
    origins = {
        "image": f"{folder}/pred.png",
        "flow": f"{folder}/flows/{name}.pth",
        "keep_mask": f"{folder}/flows/{name}.mask.pth",
        "ramp": str(own or folder),
        "replay": _noise.value or str(folder),
    }
    replay = _replay(content.image, settings, accepts)
    if not replays:
        keep = None if content.keep is None else in_pixels(content.keep, content.image.shape[:2])
        ramp = reading.ramp(own) if own else None
        return Inputs(Photo(content.image), content.flow, None, keep, ramp, replay, origins)
    if content.latents is not None:
        setting_flags.refuse_of_inversion(f"{folder} has the photo's latents")
    grid = tuple(side // _LATENT for side in content.image.shape[:2])
    replay = replay._replace(
        start=content.start,
        trajectory=content.latents,
        keep=np.zeros((*grid, 1), bool) if content.keep is None else content.keep,
    )
    ramp = reading.ramp(own) if own else content.ramp
    return Inputs(Photo(content.image), content.flow, None, None, ramp, replay, origins)


def _replay(
    image: UInt8[np.ndarray, "h w 3"], settings: Settings, accepts: frozenset[str]
) -> mg_jax.Replay:
    """Trajectory and noise of the flags."""
    for flag in (_noise, _trajectory):
        if flag.value and "replay" not in accepts:
            raise ValueError(
                f"--{flag.name}: not for the model {setting_flags.model.value}; expected none"
            )
    recording = reading.noise(Path(_noise.value)) if _noise.value else None
    if not _trajectory.value:
        return mg_jax.Replay(recording=recording)
    setting_flags.refuse_of_inversion("--trajectory is the photo's")
    with reading.named({}):
        model = setting_flags.loaded(settings, _mesh())
    assert model is not None
    settings = dataclasses.replace(settings, size=settings.size or model.size)
    replay = of_trajectory(_trajectory.value, image, _prompt.value, settings)
    return replay._replace(recording=recording)


def _inputs() -> list[str]:
    """The files that are read, but for models."""
    named = (_keep_mask, _guidance_schedule, _trajectory, _noise)
    texts = [flag.value for flag in named if flag.value and not selections.is_words(flag.value)]
    inputs = [selections.labelled(text)[0] for text in texts]
    if _reference_dir.value:
        inputs += [str(p) for p in sorted(Path(_reference_dir.value).rglob("*")) if p.is_file()]
    else:
        inputs += motion_flags.inputs()
    return inputs


def _config(settings: Settings, origin: Origin | None) -> dict[str, Any]:
    module = flags.FLAGS.find_module_defining_flag(_out.name)
    return {
        "flags": {flag.name: flag.value for flag in flags.FLAGS.get_key_flags_for_module(module)},
        "settings": writing.described(settings),
        "model": None if origin is None else dataclasses.asdict(origin),
        "inputs": {p: hashlib.sha256(Path(p).read_bytes()).hexdigest() for p in _inputs()},
        "versions": writing.versions(),
        "device": str(jax.devices()[0]),
    }


if __name__ == "__main__":
    command.run(main)
