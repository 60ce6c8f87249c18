"""Read Stable Diffusion from a folder in the layout of diffusers."""

from pathlib import Path

import jax.numpy as jnp
from jax.typing import DTypeLike

from mg_jax.checkpoints import arrays
from mg_jax.checkpoints.arrays import Stored
from mg_jax.checkpoints.parts import Part
from mg_jax.models.stable_diffusion import clip_skip, descriptions, layouts, leftovers, weight_files
from mg_jax.models.stable_diffusion.checkpoint import Checkpoint
from mg_jax.models.stable_diffusion.config import VAEConfig
from mg_jax.models.stable_diffusion.options import AS_STORED, ASKED, LoadingOptions
from mg_jax.models.stable_diffusion.separate_vae import SeparateVAE
from mg_jax.models.stable_diffusion.weight_files import Choice

INDEX = "model_index.json"
NETWORKS = ("unet", "vae", "text_encoder")


def read(
    folder: Path,
    options: LoadingOptions = AS_STORED,
    dtype: DTypeLike = jnp.float32,
    vae: SeparateVAE | None = None,
) -> Checkpoint:
    """Find out what a folder holds; its arrays are read later.

    If there are weights of several kinds, `options.variant` and `dtype` decide: see
    `weight_files.choose`. `vae` takes the place of the folder's own, which need not be there.
    Raises ValueError, one line, when a file is missing or unreadable, or the model is not 1.x or
    2.x.
    """
    other = None if vae is None else vae.fitting(VAEConfig.scale)
    config, size, notes = descriptions.read_folder(folder, options.prediction, other)
    config, skipped = clip_skip.applied(config, options.clip_skip)
    networks = [one for one in NETWORKS if one != "vae" or vae is None]
    chosen = {network: _choose(folder / network, dtype, options.variant) for network in networks}
    there = [
        one
        for network in networks
        for one in weight_files.choices(network, _names(folder / network))
    ]
    weight_files.check_variant(options.variant, there, str(folder))
    files: list[Path] = []
    parts: dict[str, dict[str, Stored]] = {}
    for network, choice in chosen.items():
        own = weight_files.files(folder / network, choice)
        parts[network] = arrays.read_all(own)
        files += own
        notes = (*notes, *weight_files.note(network, choice, options.variant))
    return Checkpoint(
        kind="diffusers folder",
        config=config,
        unet=Part(parts["unet"], layouts.diffusers_unet, leftovers.DIFFUSERS_UNET),
        vae=(
            Part(parts["vae"], layouts.diffusers_vae, leftovers.DIFFUSERS_VAE)
            if vae is None
            else vae.part
        ),
        text=Part(
            parts["text_encoder"], layouts.transformers_text, leftovers.text(config.text.layers)
        ),
        files=(*files, *(vae.files if vae else ())),
        tokenizer=folder / "tokenizer",
        prediction_by=ASKED if options.prediction else descriptions.SCHEDULER,
        size=size,
        notes=(*notes, *skipped, *(vae.notes if vae else ())),
    )


def _choose(folder: Path, dtype: DTypeLike, variant: str | None) -> Choice:
    """Choose a network's weights. Raises ValueError, one line, when there are none."""
    choice = weight_files.choose(folder.name, _names(folder), dtype, variant)
    if choice is None:
        stem = "model" if folder.name == "text_encoder" else "diffusion_pytorch_model"
        raise ValueError(f"{folder}: no weights; expected {stem}.safetensors")
    return choice


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("*")]
