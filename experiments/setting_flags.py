"""The flags of a model and its settings, and what they mean."""

import dataclasses
from typing import Any

from absl import flags

import mg_jax
from mg_jax import editing
from mg_jax.models.stable_diffusion.settings import PRESETS
from mg_jax.settings import Settings

model = flags.DEFINE_string(
    "model",
    editing.PATCH,
    "patch, preview (the motion carried out at once, without diffusion), or Stable Diffusion 1.x or"
    " 2.x: a diffusers folder, a .safetensors or .ckpt file, a folder by"
    " experiments.convert_weights, or a hub id.",
)
# What is not given is the model's own: see the two classes in mg_jax.
_size = flags.DEFINE_integer("size", None, "Side of the square with the work's area (512).")
_steps = flags.DEFINE_integer("steps", None, "Noise levels (patch: 16; paper: 500).")
_recursions = flags.DEFINE_integer(
    "recursions", None, "Repetitions of a level (patch: 2; paper: 10)."
)
_guidance_weight = flags.DEFINE_float("guidance_weight", None, "Weight of the energy (300).")
_color_weight = flags.DEFINE_float("color_weight", None, "Weight of the colour loss (100).")
_flow_weight = flags.DEFINE_float("flow_weight", None, "Weight of the flow loss (3).")
_clip = flags.DEFINE_float("clip", None, "Largest push (patch: 40; paper: 200).")
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
_dtype = flags.DEFINE_enum(
    "dtype", None, ["float32", "bfloat16"], "What Stable Diffusion computes in (float32)."
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
    "What gradients go through: the denoiser, too, or only what follows it"
    " (denoiser; estimate with the patch model).",
)
_stages = flags.DEFINE_integer(
    "stages", None, "Of the patch model: 2, or 1, without matching on the fine grid (2)."
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
    _stages,
    _guided_from,
    _guided_until,
    _warm_start,
    _remat,
)
_OF_INVERSION = (_inversion_iterations, _null_text)


def read() -> Settings:
    """The model's own settings, but for what the flags say.

    Raises:
        ValueError: a flag that the model or the other settings leave no use, or out of range.
    """
    settings = editing.defaults(model.value)
    if isinstance(settings, mg_jax.StableDiffusionSettings):
        settings = PRESETS[_preset.value or "paper"]()
    elif _preset.value:
        raise ValueError(f"--preset: not for the model {model.value}; expected none")
    given: dict[str, Any] = {flag.name: flag.value for flag in _SETTINGS if flag.value is not None}
    unread = given if model.value == editing.PREVIEW else {}
    for name in unread or given.keys() - {field.name for field in dataclasses.fields(settings)}:
        raise ValueError(f"--{name}: not for the model {model.value}; expected none")
    settings = dataclasses.replace(settings, **given)
    if isinstance(settings, mg_jax.StableDiffusionSettings) and settings.source == "noised":
        refuse_of_inversion("the source is noised")
    return settings


def refuse_of_inversion(why: str) -> None:
    """Refuse the flags of an inversion where there is none: `why` says why.

    Raises:
        ValueError: one of them is given.
    """
    for flag in _OF_INVERSION:
        if flag.value is not None:
            raise ValueError(f"--{flag.name}: of an inversion, but {why}; expected none")
