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

With no flag it moves the cup of the photo that ships with the repository. In --out it writes
edited.png (full size), overview.png, metrics.json, trace.npz and config.json.
Time: see the README; nothing is downloaded.
"""

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import json
import math
import platform
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from absl import flags
from jaxtyping import Bool, Float, Float32, UInt8
from tqdm import tqdm

import mg_jax
from experiments import command, motion_flags, reading, writing
from flows import files, masks, motions, selections
from mg_jax import editing, images, parallel, reference, schedule, trajectory
from mg_jax.models.stable_diffusion.inputs import work_shape
from mg_jax.models.stable_diffusion.settings import PRESETS
from mg_jax.settings import Settings
from mg_jax.tracing import Progress

_LATENT = 8  # pixels a side

flags.adopt_module_key_flags(motion_flags)
_keep_mask = flags.DEFINE_string(
    "keep_mask",
    None,
    "Where the photo must stay: a picture, white there, or words as --object_mask.",
)
_prompt = flags.DEFINE_string("prompt", "", "Text for models that read one.")
_model = flags.DEFINE_string(
    "model",
    editing.INTERNAL,
    "internal, or Stable Diffusion 1.x or 2.x: a diffusers folder, a .safetensors or .ckpt file,"
    " a folder by experiments.convert_weights, or a hub id.",
)
_flow_model = flags.DEFINE_string(
    "flow_model", "raft-small", "Flow network: raft-small, raft-sintel, raft-kitti or a file."
)
_out = flags.DEFINE_string("out", "out/edit", "Folder for the results; made if missing.")
_seed = flags.DEFINE_integer("seed", 0, "Seed of the first sample.", lower_bound=0)
_samples = flags.DEFINE_integer("samples", 1, "Results to make, with seeds from --seed up.")
# Settings that are not given are the model's own: see the two classes in mg_jax.
_size = flags.DEFINE_integer("size", None, "Side of the square with the work's area (512).")
_steps = flags.DEFINE_integer(
    "steps", None, "Noise levels (internal: 12, and half as many fine ones; paper: 500)."
)
_recursions = flags.DEFINE_integer(
    "recursions", None, "Repetitions of a level (internal: 2; paper: 10)."
)
_guidance_weight = flags.DEFINE_float("guidance_weight", None, "Weight of the energy (300).")
_color_weight = flags.DEFINE_float("color_weight", None, "Weight of the colour loss (100).")
_flow_weight = flags.DEFINE_float("flow_weight", None, "Weight of the flow loss (3).")
_clip = flags.DEFINE_float("clip", None, "Largest push (internal: 15; paper: 200).")
_cfg_scale = flags.DEFINE_float(
    "cfg_scale", None, "Classifier-free guidance, for models that read a prompt (7.5)."
)
_preset = flags.DEFINE_enum(
    "preset",
    None,
    list(PRESETS),
    "Stable Diffusion's settings: the paper's (default), all that the PyTorch reference does, or"
    " fast.",
)
_source = flags.DEFINE_enum(
    "source",
    None,
    ["inverted", "noised"],
    "What Stable Diffusion starts from and keeps: the photo's DDIM trajectory, found first"
    " (default), or pure noise and the photo with fresh noise.",
)
_inversion_iterations = flags.DEFINE_integer(
    "inversion_iterations", None, "Evaluations a level of the inversion (3; 1 is plain DDIM)."
)
_null_text = flags.DEFINE_integer(
    "null_text", None, "Iterations a level of null-text optimisation after the inversion (0)."
)
_clip_over = flags.DEFINE_enum(
    "clip_over", None, ["sample", "batch"], "Whose norm --clip limits (sample; reference: batch)."
)
_flow_statistics = flags.DEFINE_enum(
    "flow_statistics",
    None,
    ["running", "batch"],
    "What the flow network's batch norms use (running; reference: batch).",
)
_finish = flags.DEFINE_enum(
    "finish",
    None,
    ["pasted", "decoded"],
    "Put Stable Diffusion's picture into the photo, which is kept outside the region (pasted), or"
    " leave it as it is (reference: decoded).",
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
_dtype = flags.DEFINE_enum(
    "dtype", None, ["float32", "bfloat16"], "What Stable Diffusion computes in (float32)."
)
_guidance_schedule = flags.DEFINE_string(
    "guidance_schedule", None, ".npy that multiplies the guidance weight level by level."
)
_occlusion_masking = flags.DEFINE_bool(
    "occlusion_masking", None, "Leave covered pixels out of the colours (yes)."
)
_oracle_flow = flags.DEFINE_bool(
    "oracle_flow", None, "Compare colours along the target flow throughout (no)."
)
_gradient_every = flags.DEFINE_integer(
    "gradient_every", None, "Repetitions of a level that share one gradient (1)."
)
_gradient_through = flags.DEFINE_enum(
    "gradient_through",
    None,
    ["denoiser", "estimate"],
    "What gradients go through: the denoiser, too, or only what follows it (denoiser).",
)
_home_spread = flags.DEFINE_float(
    "home_spread",
    None,
    "How far from where the motion brings it the internal model may take a patch, in cells of a"
    " 64 x 64 grid; inf: guidance alone moves (0.15).",
)
_guided_from = flags.DEFINE_float(
    "guided_from", None, "Share of Stable Diffusion's levels that run first, not guided (0)."
)
_guided_until = flags.DEFINE_float(
    "guided_until", None, "Share of Stable Diffusion's levels after which none is guided (1)."
)
_warm_start = flags.DEFINE_float(
    "warm_start",
    None,
    "Share of Stable Diffusion's levels left out: it begins with the photo moved and noised (0).",
)
_remat = flags.DEFINE_enum(
    "remat",
    None,
    ["blocks", "nothing"],
    "What Stable Diffusion computes again for gradients: each block, or nothing, which takes less"
    " time and more memory (blocks).",
)
_SETTINGS = (
    _size,
    _steps,
    _recursions,
    _guidance_weight,
    _color_weight,
    _flow_weight,
    _clip,
    _cfg_scale,
    _dtype,
    _source,
    _inversion_iterations,
    _null_text,
    _clip_over,
    _flow_statistics,
    _finish,
    _occlusion_masking,
    _oracle_flow,
    _gradient_every,
    _gradient_through,
    _home_spread,
    _guided_from,
    _guided_until,
    _warm_start,
    _remat,
)


class _Inputs(NamedTuple):
    """What is read, and the file that each argument of `edit` is named after in errors."""

    image: UInt8[np.ndarray, "h w 3"]
    flow: Float32[np.ndarray, "h w 2"]
    keep_mask: Bool[np.ndarray, "h w"] | None
    ramp: Float[np.ndarray, " levels"] | None
    given: mg_jax.Given
    origins: dict[str, str]


def main() -> None:
    """Read, edit, write."""
    parallel.keep_programs()
    with _named({}):
        settings = _settings()
    read = _read_directory(settings) if _reference_dir.value else _read_files(settings)
    flow = read.flow
    with _named(read.origins):
        request: dict[str, Any] = {
            "image": read.image,
            "flow": flow,
            "prompt": _prompt.value,
            "model": _model.value,
            "seed": _seed.value,
            "samples": _samples.value,
            "keep_mask": read.keep_mask,
            "flow_model": _flow_model.value,
            "settings": settings,
            "ramp": read.ramp,
            "given": read.given,
        }
        editing.check(**request)
    out = writing.folder(Path(_out.value), f"--out={_out.value}")
    config = _config(settings)
    left = motions.leaving(flow, masks.moving(flow))
    if left > 0:
        print(f"note: {left:.0%} of the moved pixels leave the picture", file=sys.stderr)
    with tqdm(desc="editing", unit="level", disable=None) as bar:

        def report(progress: Progress) -> None:
            bar.total = progress.levels
            if not math.isnan(progress.energy):  # there is none yet while a photo is inverted
                bar.set_postfix(
                    energy=f"{progress.energy:.2f}", flow=f"{progress.flow_error:.2f} px"
                )
            bar.update()

        result = mg_jax.edit(**request, report=report)
    _write(out, result, config)
    scores = result.metrics
    print(
        f"{out / 'edited.png'}: flow {scores['flow_l1_px']:.2f} px off in the mean,"
        f" {scores['seconds']:.0f} s ({scores['seconds_compile']:.0f} s of it compiling);"
        f" look at {out / 'overview.png'}"
    )


def _settings() -> Settings:
    """The model's own, but for what the flags say."""
    defaults = editing.defaults(_model.value)
    if isinstance(defaults, mg_jax.StableDiffusionSettings):
        defaults = PRESETS[_preset.value or "paper"]()
    elif _preset.value:
        raise ValueError(f"--preset: not for the model {_model.value}; expected none")
    given: dict[str, Any] = {flag.name: flag.value for flag in _SETTINGS if flag.value is not None}
    for name in given.keys() - {field.name for field in dataclasses.fields(defaults)}:
        raise ValueError(f"--{name}: not for the model {_model.value}; expected none")
    return dataclasses.replace(defaults, **given)


@contextlib.contextmanager
def _named(origins: dict[str, str]) -> Iterator[None]:
    """Errors that begin with an argument's name begin with its file or flag instead."""
    try:
        yield
    except ValueError as error:
        argument, colon, rest = str(error).partition(":")
        flag = f"--{argument}" if argument in flags.FLAGS else argument
        raise ValueError(origins.get(argument, flag) + colon + rest) from error


def _read_files(settings: Settings) -> _Inputs:
    """What the single flags name."""
    image = images.read(motion_flags.image_path())
    keep = reading.selection(_keep_mask.value, image) if _keep_mask.value else None
    return _Inputs(
        image,
        motion_flags.read_flow(image),
        keep,
        reading.ramp(Path(_guidance_schedule.value)) if _guidance_schedule.value else None,
        _given(image, settings),
        {
            "flow": motion_flags.flow.value or "--motion",
            "ramp": _guidance_schedule.value or "",
            "given": _noise.value or "",
        },
    )


def _read_directory(settings: Settings) -> _Inputs:
    """What the reference's data directory holds; its masks and latents as they are."""
    folder = Path(_reference_dir.value or "")
    own_flags = (motion_flags.image, motion_flags.motion, motion_flags.object_mask)
    for flag in (*own_flags, _keep_mask, _trajectory):
        if flag.value:
            raise ValueError(f"--{flag.name}: given with --reference_dir, which has its own")
    diffusion = isinstance(settings, mg_jax.StableDiffusionSettings)
    found = reference.read(folder, motion_flags.flow.value, settings.steps if diffusion else None)
    if found.flow is None:
        raise ValueError(f"{folder}: has no flows/NAME.pth; expected a flow")
    own = Path(_guidance_schedule.value) if _guidance_schedule.value else None
    name = reference.named_flow(folder, motion_flags.flow.value)
    origins = {
        "image": f"{folder}/pred.png",
        "flow": f"{folder}/flows/{name}.pth",
        "keep_mask": f"{folder}/flows/{name}.mask.pth",
        "ramp": str(own or folder),
        "given": str(folder),
    }
    if not diffusion:
        keep = None if found.keep is None else _in_pixels(found.keep)
        ramp = reading.ramp(own) if own else None
        return _Inputs(found.image, found.flow, keep, ramp, mg_jax.Given(), origins)
    grid = tuple(side // _LATENT for side in found.image.shape[:2])
    given = _given(found.image, settings)._replace(
        start=found.start,
        trajectory=found.latents,
        keep=np.zeros((*grid, 1), bool) if found.keep is None else found.keep,
    )
    ramp = reading.ramp(own) if own else found.ramp
    return _Inputs(found.image, found.flow, None, ramp, given, origins)


def _in_pixels(keep: Bool[np.ndarray, "h w c"]) -> Bool[np.ndarray, "H W"]:
    """A mask of latents as one of pixels: kept where every channel is."""
    return keep.all(axis=-1).repeat(_LATENT, axis=0).repeat(_LATENT, axis=1)


def _given(image: UInt8[np.ndarray, "h w 3"], settings: Settings) -> mg_jax.Given:
    """Trajectory and noise of the flags."""
    given = mg_jax.Given()
    if not isinstance(settings, mg_jax.StableDiffusionSettings):
        for flag in (_noise, _trajectory):
            if flag.value:
                raise ValueError(f"--{flag.name}: not for the model {_model.value}; expected none")
        return given
    if _noise.value:
        given = given._replace(recording=reading.noise(Path(_noise.value)))
    if _trajectory.value:
        found = trajectory.read(_trajectory.value)
        height, width = work_shape(image.shape[:2], settings.size)
        trajectory.check_fits(
            _trajectory.value,
            found,
            image,
            (height // _LATENT, width // _LATENT),
            schedule.ddim(settings.steps),
            _prompt.value,
            settings.cfg_scale,
        )
        given = given._replace(trajectory=found.latents, unconditional=found.unconditional)
    return given


def _config(settings: Settings) -> dict[str, Any]:
    named = (_keep_mask, _guidance_schedule, _trajectory, _noise)
    inputs = [flag.value for flag in named if flag.value and not selections.is_words(flag.value)]
    if _reference_dir.value:
        inputs += [str(p) for p in sorted(Path(_reference_dir.value).rglob("*")) if p.is_file()]
    else:
        inputs += motion_flags.inputs()
    module = flags.FLAGS.find_module_defining_flag(_out.name)
    packages = ("jax", "jaxlib", "flax", "numpy", "mg_jax")
    return {
        "flags": {flag.name: flag.value for flag in flags.FLAGS.get_key_flags_for_module(module)},
        "settings": writing.described(settings),
        "inputs": {p: hashlib.sha256(Path(p).read_bytes()).hexdigest() for p in inputs},
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in packages},
        },
        "device": str(jax.devices()[0]),
    }


def _write(out: Path, result: mg_jax.Result, config: dict[str, Any]) -> None:
    """Write all results, each whole or not at all; metrics.json last, so that it means done.

    An earlier run's samples go, of which there may have been more.
    """
    (out / "metrics.json").unlink(missing_ok=True)
    for path in out.iterdir():
        if re.fullmatch(r"edited_\d+\.png", path.name):
            path.unlink()
    pictures: dict[str, UInt8[np.ndarray, "h w 3"]] = {
        "edited.png": result.image,
        **{f"edited_{i}.png": image for i, image in enumerate(result.images) if i},
        "overview.png": result.overview(),
    }
    for name, picture in pictures.items():
        images.write(out / name, picture)
    with files.atomic(out / "trace.npz") as stream:
        np.savez_compressed(stream, **result.trace._asdict())
    for name, content in (("config.json", config), ("metrics.json", result.metrics)):
        with files.atomic(out / name) as stream:
            stream.write((json.dumps(content, indent=2) + "\n").encode())


if __name__ == "__main__":
    command.run(main)
