"""Read Stable Diffusion from a folder in the layout of diffusers."""

from collections.abc import Iterable
from pathlib import Path

import jax.numpy as jnp
from jax.typing import DTypeLike

from mg_jax.checkpoints import arrays
from mg_jax.checkpoints.arrays import Stored
from mg_jax.checkpoints.parts import Part
from mg_jax.models.stable_diffusion import descriptions, layouts, leftovers
from mg_jax.models.stable_diffusion.checkpoint import Checkpoint
from mg_jax.models.stable_diffusion.options import AS_STORED, ASKED, LoadingOptions

INDEX = "model_index.json"

STEMS = {
    "unet": "diffusion_pytorch_model",
    "vae": "diffusion_pytorch_model",
    "text_encoder": "model",
}


def read(
    folder: Path, options: LoadingOptions = AS_STORED, dtype: DTypeLike = jnp.float32
) -> Checkpoint:
    """Find out what a folder holds; its arrays are read later.

    If there are weights of several precisions, `dtype` decides: see `choose`. Raises ValueError,
    one line, when a file is missing or unreadable, or the model is not 1.x or 2.x.
    """
    config, size, notes = descriptions.read_folder(folder, options.prediction)
    files: list[Path] = []
    parts: dict[str, dict[str, Stored]] = {}
    for network in STEMS:
        own = weight_files(folder / network, dtype)
        parts[network] = arrays.read_all(own)
        files += own
    return Checkpoint(
        kind="diffusers folder",
        config=config,
        unet=Part(parts["unet"], layouts.diffusers_unet, leftovers.DIFFUSERS_UNET),
        vae=Part(parts["vae"], layouts.diffusers_vae, leftovers.DIFFUSERS_VAE),
        text=Part(
            parts["text_encoder"], layouts.transformers_text, leftovers.text(config.text.layers)
        ),
        files=tuple(files),
        tokenizer=folder / "tokenizer",
        prediction_by=ASKED if options.prediction else descriptions.SCHEDULER,
        size=size,
        notes=notes,
    )


def weight_files(folder: Path, dtype: DTypeLike) -> list[Path]:
    """The files of one network's weights.

    Raises ValueError, one line, when there are none.
    """
    name = choose(folder.name, (path.name for path in folder.glob("*")), dtype)
    if name is None:
        stem = STEMS[folder.name]
        raise ValueError(f"{folder}: no weights; expected {stem}.safetensors")
    if name.endswith(".json"):
        return arrays.read_index(folder / name)
    return [folder / name]


def choose(network: str, names: Iterable[str], dtype: DTypeLike) -> str | None:
    """Choose one of a folder's weight files or of their indices; None when there are none.

    safetensors is preferred to .bin (which is read by torch, arrays only); full precision to fp16
    if parameters are kept in float32, otherwise fp16.
    """
    there, stem = set(names), STEMS[network]
    variants = ("", ".fp16") if jnp.dtype(dtype).itemsize > 2 else (".fp16", "")
    candidates = [
        name
        for variant in variants
        for name in (
            f"{stem}{variant}.safetensors",
            f"{stem}.safetensors.index{variant}.json",
        )
    ]
    pickle = "pytorch_model.bin" if network == "text_encoder" else f"{stem}.bin"
    return next((name for name in (*candidates, pickle) if name in there), None)
