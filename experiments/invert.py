r"""Invert a photo: find the noise at every level that leads Stable Diffusion back to it.

    python -m experiments.invert --image=photo.jpg --model=CompVis/stable-diffusion-v1-4 \
        --prompt="a photo of a cup" --out=out/photo.safetensors

The trajectory is for edits of this photo, with the same --model, --size and --steps, that keep what
lies outside their region as it is. A level takes --inversion_iterations evaluations of the UNet,
and one more to see how well the photo comes back: the program prints its PSNR, and that of the
autoencoder alone, which no inversion can exceed. Each iteration of --null_text costs about three
evaluations a level more, with its gradient's memory; ten of them (the paper's number) keep sampling
with --cfg_scale on the trajectory. A run that is stopped goes on when the same command is given
again (--checkpoint_every; saved in --out.checkpoint). --reference_latents also writes what the
PyTorch reference reads.
"""

import dataclasses
import importlib.util
import time
from pathlib import Path

from absl import flags

from experiments import (
    checkpoint_flags,
    command,
    field_flags,
    loading_flags,
    program_flags,
    reading,
    writing,
)
from mg_jax import (
    checkpoint,
    fidelity,
    fingerprint,
    images,
    running,
    trajectory,
)
from mg_jax.models.stable_diffusion import inverted, loading, networks
from mg_jax.models.stable_diffusion.settings import StableDiffusionSettings
from mg_jax.running import Saving

_image = flags.DEFINE_string("image", None, "Photo to invert.", required=True)
_model = flags.DEFINE_string(
    "model",
    None,
    "Stable Diffusion 1.x or 2.x: a diffusers folder, a .safetensors or .ckpt file, a folder by"
    " experiments.convert_weights, or on the hub id, id@revision or"
    " id/file.safetensors.",
    required=True,
)
_prompt = flags.DEFINE_string("prompt", "", "What the photo shows.")
_out = flags.DEFINE_string("out", "out/trajectory.safetensors", "File to write.")
_reference_latents = flags.DEFINE_string(
    "reference_latents", None, "Folder for the latents as the PyTorch reference reads them."
)
_settings_flags = field_flags.define(
    ("inversion_iterations", "null_text", "size", "steps", "cfg_scale", "dtype")
)
flags.adopt_module_key_flags(field_flags)
flags.adopt_module_key_flags(checkpoint_flags)
flags.adopt_module_key_flags(loading_flags)
flags.adopt_module_key_flags(program_flags)


def main() -> None:
    """Read, invert, write, sample back."""
    start = time.perf_counter()
    program_flags.keep()
    out, settings, options = Path(_out.value), _settings(), loading_flags.options()
    trajectory.check_name(out)
    writing.check_apart([out], _inputs(), f"--out={out}")
    writing.folder(out.parent, f"--out={out}")
    folder = Path(_reference_latents.value) if _reference_latents.value else None
    if folder is not None and importlib.util.find_spec("torch") is None:
        raise ValueError("--reference_latents: needs PyTorch, which is not installed")
    photo = images.read(_image.value)
    with reading.named({}):
        model = loading.load(_model.value, options, dtype=settings.dtype)
    if model.origin is not None:
        loading_flags.tell(_model.value, model.origin)
    settings = dataclasses.replace(settings, size=settings.size or model.size)
    net = networks.build(model.config, settings.dtype, "blocks")
    phases = inverted.trajectory_of(photo, _prompt.value, model, net, settings, name=_model.value)
    saving = None
    if every := checkpoint_flags.every(settings):
        prints = fingerprint.of_inversion(
            photo, _prompt.value, _model.value, model.identity, settings
        )
        saving = Saving(out.with_name(f"{out.name}.checkpoint"), prints, every)
    inverted_photo, _ = running.run(phases, 1, saving=saving)
    trajectory.write(out, inverted_photo)
    if saving is not None:
        checkpoint.remove(saving.folder)
    print(f"{out}: {settings.steps} levels, {time.perf_counter() - start:.0f} s")
    if folder is not None:
        from mg_jax import reference

        reference.write_latents(folder, inverted_photo.latents)
        print(f"{folder}: latents for the PyTorch reference")
    back, _ = running.run(inverted.reconstructed(inverted_photo, model, net), 1)
    work = images.resize(photo, *back.shape[:2])
    alone = inverted.round_trip(photo, model, net, settings)
    how = f"guided by {settings.cfg_scale:g}" if settings.null_text else "without guidance"
    print(
        f"sampled back, {how}: {fidelity.psnr(back, work):.1f} dB;"
        f" the autoencoder alone: {fidelity.psnr(alone, work):.1f} dB"
    )


def _inputs() -> list[str]:
    """The photo, and the model and its autoencoder or, of a folder, all in it."""
    vae = loading_flags.options().vae
    models = [Path(one) for one in (_model.value, vae) if one is not None]
    inside = [str(path) for model in models for path in model.rglob("*")]
    return [_image.value, *map(str, models), *inside]


def _settings() -> StableDiffusionSettings:
    try:
        return dataclasses.replace(StableDiffusionSettings(), **field_flags.given(_settings_flags))
    except ValueError as error:
        raise ValueError(f"--{error}") from error


if __name__ == "__main__":
    command.run(main)
