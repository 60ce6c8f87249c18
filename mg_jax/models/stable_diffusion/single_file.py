"""Read Stable Diffusion from one file, as CompVis and Stability AI published it, and as others do.

Such a file has no description: the configuration is derived from its arrays' names and shapes.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from mg_jax.checkpoints import arrays
from mg_jax.checkpoints.arrays import Stored
from mg_jax.checkpoints.parts import Layout, Part
from mg_jax.models.stable_diffusion import (
    clip_skip,
    distilled,
    foreign,
    layouts,
    leftovers,
    original_yaml,
    own_size,
    prediction,
    shapes,
    stored_config,
)
from mg_jax.models.stable_diffusion.checkpoint import Checkpoint
from mg_jax.models.stable_diffusion.config import Config, UNetConfig, VAEConfig
from mg_jax.models.stable_diffusion.descriptions import OTHER_INPUTS
from mg_jax.models.stable_diffusion.foreign import TEXT, UNET, VAE
from mg_jax.models.stable_diffusion.options import AS_STORED, LoadingOptions
from mg_jax.models.stable_diffusion.original_yaml import Original
from mg_jax.models.stable_diffusion.separate_vae import SeparateVAE
from mg_jax.models.text.config import TextConfig

_OPEN_CLIP = f"{TEXT}model."
_BLOCKS = f"{_OPEN_CLIP}transformer.resblocks."
_MIDDLE = f"{UNET}middle_block.1.transformer_blocks.0.attn2.to_k.weight"

_SCALE = "scale_factor"
_RESOLUTION = "modelspec.resolution"
_LAYERS_OF_2 = 23  # of OpenCLIP's 24
_VERSIONS = {768: 1, 1024: 2}  # by the width of the texts that the UNet reads
_HEADS_OF_1 = 8  # of the UNet of 1.x on each level
_HEAD = 64  # width of all other heads


def read(
    path: Path, options: LoadingOptions = AS_STORED, vae: SeparateVAE | None = None
) -> Checkpoint:
    """Find out what a file holds; its parameters are read later.

    What the UNet predicts is decided by `prediction.decide`. `vae` takes the place of the file's
    own autoencoder, which need not be there. Raises ValueError, one line, when the file cannot be
    read or holds another model.
    """
    archive = arrays.read(path)
    given = archive.arrays
    foreign.check_kind(path, given, vae is not None)
    foreign.check_noise(path, given)
    yaml = original_yaml.beside(path)
    try:
        version = _version(given)
        unet, text = _unet(given, version), _text(given, version)
        scale, scaled = _scale(given)
        separate = vae
        vae = vae or _vae(given, scale)
    except KeyError as error:
        raise ValueError(
            f"{path}: has no array {error.args[0]}; expected Stable Diffusion 1.x or 2.x"
        ) from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    decided = prediction.decide(path, archive, version, yaml, options.prediction)
    config = Config(unet, vae.fitting(scale), text, decided.prediction)
    if faults := stored_config.disagreements(config):
        raise ValueError(f"{path}: {', '.join(faults)}")
    config, skipped = clip_skip.applied(config, options.clip_skip)
    text = config.text
    networks = (UNET, TEXT) if separate else (UNET, VAE, TEXT)
    named = distilled.notes(archive.metadata.get("modelspec.title"), path.stem)
    return Checkpoint(
        kind=f"original single file, {version}.x",
        config=config,
        unet=Part(_of(given, UNET), layouts.original_unet(unet), leftovers.ORIGINAL_UNET),
        vae=vae.part,
        text=Part(
            _unfused(_of(given, TEXT), text), _text_layout(text), leftovers.text(text.layers)
        ),
        files=(path, *vae.files),
        tokenizer=None,
        prediction_by=decided.by,
        size=_size(archive.metadata, yaml, config, version),
        notes=(*named, *scaled, *skipped, *vae.notes),
        others=(*(name for name in given if not name.startswith(networks)), *archive.beside),
    )


def _vae(given: Mapping[str, Stored], scale: float) -> SeparateVAE:
    """The file's own autoencoder."""
    config = replace(shapes.original_vae(given, VAE), scale=scale)
    part = Part(_of(given, VAE), layouts.original_vae(config), leftovers.ORIGINAL_VAE)
    return SeparateVAE(config, part, (), ())


def _scale(given: Mapping[str, Stored]) -> tuple[float, tuple[str, ...]]:
    """What latents are multiplied by, and what to tell of it.

    A file that was trained with a scale of its own holds it; 1 is what training starts with.
    """
    usual, stored = VAEConfig.scale, given.get(_SCALE)
    if stored is None or math.prod(stored.shape) != 1:
        return usual, ()
    value = float(stored.read().ravel()[0])
    if not 0 < value < math.inf or value == 1 or math.isclose(value, usual, rel_tol=1e-3):
        return usual, ()
    return value, (f"its latents are scaled by {value:.5g}, as it says in {_SCALE}",)


def _size(metadata: Mapping[str, str], yaml: Original | None, config: Config, version: int) -> int:
    """The size that the model was trained on: as stated, else as the published ones."""
    if yaml is not None and yaml.grid is not None:
        return own_size.fitting(float(yaml.grid * config.vae.factor))
    sides = [int(one) for one in re.findall(r"\d+", metadata.get(_RESOLUTION, ""))][:2]
    if sides and all(sides):
        return own_size.fitting(math.prod(sides) ** (1 / len(sides)))
    return 768 if version == 2 and config.prediction == "v_prediction" else own_size.USUAL


def _of(given: Mapping[str, Stored], start: str) -> dict[str, Stored]:
    """The arrays of one network."""
    return {name: one for name, one in given.items() if name.startswith(start)}


def _unfused(given: Mapping[str, Stored], text: TextConfig) -> dict[str, Stored]:
    """Split OpenCLIP's fused projections, of the layers that are read, by rows."""
    fused = {
        f"{_BLOCKS}{layer}.attn.in_proj_{leaf}"
        for layer in range(text.layers)
        for leaf in ("weight", "bias")
    }
    found: dict[str, Stored] = {}
    for name, one in given.items():
        found |= _rows(name, one) if name in fused else {name: one}
    return found


def _rows(name: str, stored: Stored) -> dict[str, Stored]:
    """A fused projection's parts; as it is where its rows are no multiple of three."""
    rows = stored.shape[0] // 3 if stored.shape else 0
    if not stored.shape or 3 * rows != stored.shape[0]:
        return {name: stored}

    def rows_of(place: int) -> Shaped[np.ndarray, "..."]:
        return stored.read()[place * rows : (place + 1) * rows]

    shape = (rows, *stored.shape[1:])
    return {
        f"{name}.{part}": Stored(shape, stored.dtype, partial(rows_of, place))
        for place, part in enumerate(layouts.FUSED)
    }


def _text_layout(text: TextConfig) -> Layout:
    """Every name that a text encoder's array may have; where two stand there, both are reported."""
    open_clip = layouts.original_open_clip(text)
    return lambda path: (*open_clip(path), *layouts.original_clip(path))


def _version(given: Mapping[str, Stored]) -> int:
    """1 or 2: by the width of the texts that the UNet reads, else by the kind of text encoder."""
    width = shapes.sizes(given, _MIDDLE)[1]
    layers = _transformers_layers(given)
    return _VERSIONS.get(width) or (2 if layers is None or layers >= _LAYERS_OF_2 else 1)


def _unet(given: Mapping[str, Stored], version: int) -> UNetConfig:
    latent = shapes.sizes(given, f"{UNET}input_blocks.0.0.weight", 4)[1]
    if latent != 4:
        what = OTHER_INPUTS.get(latent, "another latent")
        raise ValueError(f"{latent} input channels: {what}; expected 4")
    numbers = range(1, len(given))
    step = next((i for i in numbers if f"{UNET}input_blocks.{i}.0.op.weight" in given), 0)
    if step < 2:
        raise KeyError(f"{UNET}input_blocks.*.0.op.weight")
    blocks = shapes.count(given, f"{UNET}input_blocks.{{}}.0.", first=1)
    starts = [f"{UNET}input_blocks.{i}" for i in range(1, blocks + 1, step)]
    channels = tuple(
        shapes.sizes(given, f"{start}.0.out_layers.3.weight", 4)[0] for start in starts
    )
    return UNetConfig(
        channels,
        heads=tuple(_HEADS_OF_1 if version == 1 else _heads(width) for width in channels),
        attention=tuple(f"{start}.1.proj_in.weight" in given for start in starts),
        context=shapes.sizes(given, _MIDDLE)[1],
        layers=step - 1,
        groups=shapes.GROUPS,
    )


def _text(given: Mapping[str, Stored], version: int) -> TextConfig:
    """Sizes from OpenCLIP's or transformers' names, all else as the version has it."""
    prefix = _transformers_prefix(given)
    if prefix is None:
        tokens, places = f"{_OPEN_CLIP}token_embedding.weight", f"{_OPEN_CLIP}positional_embedding"
        hidden, layers = f"{_BLOCKS}0.mlp.c_fc.weight", shapes.count(given, f"{_BLOCKS}{{}}.")
    else:
        tokens, places, hidden = (
            f"{prefix}{name}.weight"
            for name in (
                "embeddings.token_embedding",
                "embeddings.position_embedding",
                "encoder.layers.0.mlp.fc1",
            )
        )
        layers = shapes.count(given, f"{prefix}encoder.layers.{{}}.")
    vocabulary, width = shapes.sizes(given, tokens)
    return TextConfig(
        width,
        layers=layers if version == 1 else min(layers, _LAYERS_OF_2),
        heads=_heads(width),
        hidden=shapes.sizes(given, hidden)[0],
        activation="quick_gelu" if version == 1 else "gelu",
        vocabulary=vocabulary,
        length=shapes.sizes(given, places)[0],
    )


def _transformers_prefix(given: Mapping[str, Stored]) -> str | None:
    """What stands before transformers' names of the text encoder; None if it has OpenCLIP's."""
    if any(name.startswith(_BLOCKS) for name in given):
        return None
    prefixes = [f"{one}{model}" for one in layouts.CLIP_PREFIXES for model in ("text_model.", "")]
    token = "embeddings.token_embedding.weight"
    return next((one for one in prefixes if f"{one}{token}" in given), prefixes[0])


def _transformers_layers(given: Mapping[str, Stored]) -> int | None:
    prefix = _transformers_prefix(given)
    return None if prefix is None else shapes.count(given, f"{prefix}encoder.layers.{{}}.")


def _heads(width: int) -> int:
    return max(width // _HEAD, 1)
