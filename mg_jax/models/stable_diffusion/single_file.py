"""Read Stable Diffusion from one file, as CompVis and Stability AI published it.

Such a file has no description: the configuration is derived from its arrays' names and shapes.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from mg_jax.checkpoints import arrays
from mg_jax.checkpoints.arrays import Stored
from mg_jax.checkpoints.parts import Layout, Part
from mg_jax.models.stable_diffusion import layouts
from mg_jax.models.stable_diffusion.checkpoint import Checkpoint
from mg_jax.models.stable_diffusion.config import Config, Prediction, UNetConfig, VAEConfig
from mg_jax.models.stable_diffusion.descriptions import OTHER_INPUTS
from mg_jax.models.text.config import TextConfig

_UNET, _VAE, _TEXT = "model.diffusion_model.", "first_stage_model.", "cond_stage_model."
_CLIP, _OPEN_CLIP = f"{_TEXT}transformer.", f"{_TEXT}model."
_BLOCKS = f"{_OPEN_CLIP}transformer.resblocks."

_FOREIGN = {
    "conditioner.embedders.": "Stable Diffusion XL",
    f"{_UNET}joint_blocks.": "Stable Diffusion 3",
    "joint_blocks.": "Stable Diffusion 3",
    f"{_UNET}double_blocks.": "Flux",
    "double_blocks.": "Flux",
    "control_model.": "a ControlNet",
    "lora_": "a LoRA, a change to another model",
    "depth_model.": "depth-to-image",
    f"{_UNET}label_emb.": "a UNet with class embeddings",
    "down_blocks.": "one network of a diffusers folder, which is the thing to name",
    "encoder.down_blocks.": "one network of a diffusers folder, which is the thing to name",
    "text_model.": "one network of a diffusers folder, which is the thing to name",
}

_LAYERS_OF_2 = 23
_SCHEDULE = (
    "betas",
    "alphas_cumprod",
    "alphas_cumprod_prev",
    "sqrt_alphas_cumprod",
    "sqrt_one_minus_alphas_cumprod",
    "log_one_minus_alphas_cumprod",
    "sqrt_recip_alphas_cumprod",
    "sqrt_recipm1_alphas_cumprod",
    "posterior_variance",
    "posterior_log_variance_clipped",
    "posterior_mean_coef1",
    "posterior_mean_coef2",
    "logvar",
    "lvlb_weights",
)
# Arrays in such files that are no parameters of our networks.
_UNUSED = {
    "moving averages of the UNet": re.compile(r"model_ema\..*"),
    "noise levels": re.compile("|".join(_SCHEDULE)),
    "position numbers": re.compile(re.escape(_CLIP) + r"(text_model\.)?embeddings\.position_ids"),
    "projections of the whole text": re.compile(
        re.escape(_TEXT) + r"(model\.)?(logit_scale|text_projection)(\.weight)?"
    ),
    "the last layer of OpenCLIP, which 2.x leaves out": re.compile(
        re.escape(f"{_BLOCKS}{_LAYERS_OF_2}.") + ".*"
    ),
}
_GROUPS = 32  # of group normalisation, in every published file
_HEADS_OF_1 = 8  # of the UNet of 1.x on each level
_HEAD = 64  # width of all other heads
_STEPS_OF_2_BASE = 875_000  # training steps stored in 2-base, by which it is recognised


def read(path: Path, prediction: Prediction | None = None) -> Checkpoint:
    """Find out what a file holds; its arrays are read later.

    A 2.x file does not say whether the UNet predicts the noise (the 512-pixel base models) or v; v
    is assumed unless `prediction` says otherwise, or the number of training steps in the file is
    that of 2-base. Raises ValueError, one line, when the file cannot be read or holds another
    model.
    """
    archive = arrays.read(path)
    given = archive.arrays
    for start, what in _FOREIGN.items():
        if any(name.startswith(start) for name in given):
            raise ValueError(f"{path}: holds {what}; expected Stable Diffusion 1.x or 2.x")
    parts = {_UNET: "UNet", _VAE: "autoencoder", _TEXT: "text encoder"}
    if missing := [
        f"no {what} ({start}*)"
        for start, what in parts.items()
        if not any(name.startswith(start) for name in given)
    ]:
        raise ValueError(
            f"{path}: holds {', '.join(missing)}; expected a whole Stable Diffusion 1.x or 2.x"
        )
    try:
        config = _config(given)
    except (KeyError, IndexError, ZeroDivisionError) as error:
        raise ValueError(
            f"{path}: has no array {error.args[0]}; expected Stable Diffusion 1.x or 2.x"
        ) from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    kept, unused = _sort(given)
    second = any(name.startswith(_OPEN_CLIP) for name in kept)
    base = archive.beside.get("global_step") == _STEPS_OF_2_BASE
    told = prediction or ("epsilon" if base or not second else None)
    split = {name: part for one in kept.items() for name, part in _unfused(*one).items()}

    def part(belongs: Callable[[str], bool], layout: Layout) -> Part:
        return Part({name: one for name, one in split.items() if belongs(name)}, layout)

    text = layouts.original_open_clip(config.text) if second else layouts.original_clip
    return Checkpoint(
        kind=f"original single file, {2 if second else 1}.x",
        config=replace(config, prediction=told or "v_prediction"),
        # Arrays of no network go to the UNet, where they are reported as unknown.
        unet=part(
            lambda name: not name.startswith((_VAE, _TEXT)), layouts.original_unet(config.unet)
        ),
        vae=part(lambda name: name.startswith(_VAE), layouts.original_vae(config.vae)),
        text=part(lambda name: name.startswith(_TEXT), text),
        unused=unused,
        files=(path,),
        tokenizer=None,
        assumed=told is None,
    )


def _sort(given: Mapping[str, Stored]) -> tuple[dict[str, Stored], dict[str, int]]:
    """Separate the arrays that are not needed: return all others, and their number by sort."""
    kept, unused = {}, Counter[str]()
    for name, one in given.items():
        sort = next((sort for sort, pattern in _UNUSED.items() if pattern.fullmatch(name)), None)
        if sort is None:
            kept[name] = one
        else:
            unused[sort] += 1
    return kept, dict(unused)


def _unfused(name: str, stored: Stored) -> dict[str, Stored]:
    """Split OpenCLIP's fused projections by rows; all other arrays stay as they are."""
    rows = stored.shape[0] // 3 if stored.shape else 0
    if not name.endswith((".in_proj_weight", ".in_proj_bias")) or 3 * rows != stored.shape[0]:
        return {name: stored}

    def rows_of(place: int) -> Shaped[np.ndarray, "..."]:
        return stored.read()[place * rows : (place + 1) * rows]

    shape = (rows, *stored.shape[1:])
    return {
        f"{name}.{part}": Stored(shape, stored.dtype, partial(rows_of, place))
        for place, part in enumerate(layouts.FUSED)
    }


def _config(given: Mapping[str, Stored]) -> Config:
    """Derive the sizes from the arrays' shapes. Raises KeyError with a missing array's name."""
    return Config(_unet(given), _vae(given), _text(given), prediction="epsilon")


def _unet(given: Mapping[str, Stored]) -> UNetConfig:
    latent = given[f"{_UNET}input_blocks.0.0.weight"].shape[1]
    if latent != 4:
        what = OTHER_INPUTS.get(latent, "another latent")
        raise ValueError(f"{latent} input channels: {what}; expected 4")
    numbers = range(1, len(given))
    step = next((i for i in numbers if f"{_UNET}input_blocks.{i}.0.op.weight" in given), 0)
    if step < 2:
        raise KeyError(f"{_UNET}input_blocks.*.0.op.weight")
    blocks = _count(given, f"{_UNET}input_blocks.{{}}.0.", first=1)
    starts = [f"{_UNET}input_blocks.{i}" for i in range(1, blocks + 1, step)]
    channels = tuple(given[f"{start}.0.out_layers.3.weight"].shape[0] for start in starts)
    attention = tuple(f"{start}.1.proj_in.weight" in given for start in starts)
    middle = f"{_UNET}middle_block.1"
    first = len(given[f"{middle}.proj_in.weight"].shape) == 4  # a convolution
    return UNetConfig(
        channels,
        heads=tuple(_HEADS_OF_1 if first else _heads(width) for width in channels),
        attention=attention,
        context=given[f"{middle}.transformer_blocks.0.attn2.to_k.weight"].shape[1],
        layers=step - 1,
        groups=_GROUPS,
    )


def _vae(given: Mapping[str, Stored]) -> VAEConfig:
    start = f"{_VAE}encoder.down"
    levels = _count(given, f"{start}.{{}}.")
    return VAEConfig(
        tuple(given[f"{start}.{i}.block.0.conv2.weight"].shape[0] for i in range(levels)),
        layers=_count(given, f"{start}.0.block.{{}}."),
        groups=_GROUPS,
    )


def _text(given: Mapping[str, Stored]) -> TextConfig:
    if any(name.startswith(_OPEN_CLIP) for name in given):
        vocabulary, width = given[f"{_OPEN_CLIP}token_embedding.weight"].shape
        return TextConfig(
            width,
            layers=min(_count(given, f"{_BLOCKS}{{}}."), _LAYERS_OF_2),
            heads=_heads(width),
            hidden=given[f"{_BLOCKS}0.mlp.c_fc.weight"].shape[0],
            activation="gelu",
            vocabulary=vocabulary,
            length=given[f"{_OPEN_CLIP}positional_embedding"].shape[0],
        )
    prefixed = any(name.startswith(f"{_CLIP}text_model.") for name in given)
    start = f"{_CLIP}text_model." if prefixed else _CLIP
    vocabulary, width = given[f"{start}embeddings.token_embedding.weight"].shape
    return TextConfig(
        width,
        layers=_count(given, f"{start}encoder.layers.{{}}."),
        heads=_heads(width),
        hidden=given[f"{start}encoder.layers.0.mlp.fc1.weight"].shape[0],
        activation="quick_gelu",
        vocabulary=vocabulary,
        length=given[f"{start}embeddings.position_embedding.weight"].shape[0],
    )


def _count(given: Mapping[str, Stored], prefix: str, first: int = 0) -> int:
    """Count the consecutive numbers, from `first` on, whose prefix has arrays."""
    number = first
    while any(name.startswith(prefix.format(number)) for name in given):
        number += 1
    return number - first


def _heads(width: int) -> int:
    return max(width // _HEAD, 1)
