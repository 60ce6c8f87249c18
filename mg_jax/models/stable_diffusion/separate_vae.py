"""Read an autoencoder that is stored apart from its model: a file, or a folder by diffusers.

A file has the names of an original file, with or without their prefix, or those of diffusers; a
whole single file serves, too.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from jax.typing import DTypeLike

from mg_jax.checkpoints import arrays
from mg_jax.checkpoints.arrays import Stored
from mg_jax.checkpoints.descriptions import Description, read_json
from mg_jax.checkpoints.parts import Part
from mg_jax.models.stable_diffusion import descriptions, layouts, leftovers, shapes, weight_files
from mg_jax.models.stable_diffusion.config import VAEConfig

_CONFIG, _VAE = "config.json", "vae"
_PREFIXES = ("first_stage_model.", "", "vae.")
_ROUNDING = 1e-6  # by which a scale that is meant to be equal may differ


class SeparateVAE(NamedTuple):
    """An autoencoder; no array has been read yet."""

    config: VAEConfig
    part: Part
    files: tuple[Path, ...]
    notes: tuple[str, ...]

    def fitting(self, scale: float) -> VAEConfig:
        """Its configuration, for a UNet whose latents are scaled by `scale`.

        Raises:
            ValueError: it is for latents of another scale, or of another size.
        """
        if abs(self.config.scale - scale) > _ROUNDING:
            raise ValueError(
                f"vae: {self.files[0]}: scaling_factor is {self.config.scale}, of another model's"
                f" latents; expected {scale}"
            )
        return self.config


def read(place: Path, dtype: DTypeLike, variant: str | None = None) -> SeparateVAE:
    """Find out what a file or folder holds; of several weights `dtype` and `variant` decide.

    Raises:
        ValueError: one line that begins "vae: ": it is missing, broken, or no such autoencoder.
    """
    try:
        return _folder(place, dtype, variant) if place.is_dir() else _file(place)
    except ValueError as error:
        raise ValueError(f"vae: {error}") from None


def _folder(place: Path, dtype: DTypeLike, variant: str | None) -> SeparateVAE:
    """A folder by diffusers, or the one in a pipeline's folder."""
    folder = place / _VAE if (place / _VAE / _CONFIG).is_file() else place
    if not (folder / _CONFIG).is_file():
        raise ValueError(f"{place}: has no {_CONFIG}; expected a file or folder of an autoencoder")
    config = _described(folder / _CONFIG)
    names = [path.name for path in folder.glob("*")]
    choice = weight_files.choose(_VAE, names, dtype, variant)
    if choice is None:
        raise ValueError(f"{folder}: no weights; expected diffusion_pytorch_model.safetensors")
    files = tuple(weight_files.files(folder, choice))
    part = Part(arrays.read_all(files), layouts.diffusers_vae, leftovers.DIFFUSERS_VAE)
    notes = weight_files.note(_VAE, choice, variant)
    return SeparateVAE(config, part, files, (f"its autoencoder is {folder}", *notes))


def _file(path: Path) -> SeparateVAE:
    given = arrays.read(path).arrays
    for prefix in _PREFIXES:
        own = {n.removeprefix(prefix): one for n, one in given.items() if n.startswith(prefix)}
        if "encoder.down.0.block.0.conv2.weight" in own:
            config = _derived(path, shapes.original_vae, own)
            part = Part(own, layouts.original_vae(config, ""), leftovers.ORIGINAL_VAE)
        elif "encoder.down_blocks.0.resnets.0.conv2.weight" in own:
            beside = path.parent / _CONFIG
            described = not prefix and beside.is_file()
            config = _described(beside) if described else _derived(path, shapes.diffusers_vae, own)
            part = Part(own, layouts.diffusers_vae, leftovers.DIFFUSERS_VAE)
        else:
            continue
        return SeparateVAE(config, part, (path,), (f"its autoencoder is {path}",))
    raise ValueError(f"{path}: holds no autoencoder; expected one of Stable Diffusion 1.x or 2.x")


def _derived(
    path: Path, derive: Callable[[Mapping[str, Stored], str], VAEConfig], own: dict[str, Stored]
) -> VAEConfig:
    try:
        return derive(own, "")
    except KeyError as error:
        raise ValueError(f"{path}: has no array {error.args[0]}; expected a whole one") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _described(file: Path) -> VAEConfig:
    description = Description(read_json(file))
    config = descriptions.vae(description)
    if description.faults:
        raise ValueError(f"{file}: {', '.join(description.faults)}")
    return config
