"""Read and check the JSON files of a diffusers folder.

What our networks and the sampler assume is checked; missing keys have the defaults of diffusers.
"""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from mg_jax.checkpoints.descriptions import Description, read_json, shown
from mg_jax.models.stable_diffusion import distilled, own_size
from mg_jax.models.stable_diffusion.config import Config, Prediction, UNetConfig, VAEConfig
from mg_jax.models.text.description import text_config

# What UNets with other numbers of input channels than the four of the latent are for.
OTHER_INPUTS = {
    9: "an inpainting UNet",
    8: "an InstructPix2Pix UNet",
    7: "an upscaling UNet",
    5: "a depth-to-image UNet",
}

_PIPELINES = ("StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline")
_FOREIGN = {
    "StableDiffusionXL": "Stable Diffusion XL",
    "StableDiffusion3": "Stable Diffusion 3",
    "Flux": "Flux",
    "StableDiffusionInpaint": "for inpainting, its UNet has 9 input channels instead of 4",
    "StableDiffusionInstructPix2Pix": "InstructPix2Pix, its UNet has 8 input channels instead of 4",
    "StableDiffusionDepth2Img": "for depth, its UNet has 5 input channels instead of 4",
    "StableDiffusionUpscale": "for upscaling",
    "LatentConsistency": "a latent consistency model, distilled to a few steps",
}

_UNET: dict[str, tuple[Any, ...]] = {  # the default of diffusers, then what else we support
    "_class_name": ("UNet2DConditionModel", "FlaxUNet2DConditionModel"),
    "center_input_sample": (False,),
    "flip_sin_to_cos": (True,),
    "freq_shift": (0,),
    "mid_block_type": ("UNetMidBlock2DCrossAttn",),
    "only_cross_attention": (False,),
    "downsample_padding": (1,),
    "mid_block_scale_factor": (1,),
    "act_fn": ("silu", "swish"),
    "norm_eps": (1e-5,),
    "transformer_layers_per_block": (1,),
    "reverse_transformer_layers_per_block": (None,),
    "encoder_hid_dim": (None,),
    "encoder_hid_dim_type": (None,),
    "dual_cross_attention": (False,),
    "class_embed_type": (None,),
    "addition_embed_type": (None,),
    "num_class_embeds": (None,),
    "resnet_time_scale_shift": ("default",),
    "resnet_skip_time_act": (False,),
    "resnet_out_scale_factor": (1,),
    "time_embedding_type": ("positional",),
    "time_embedding_dim": (None,),
    "time_embedding_act_fn": (None,),
    "timestep_post_act": (None,),
    "time_cond_proj_dim": (None,),
    "conv_in_kernel": (3,),
    "conv_out_kernel": (3,),
    "attention_type": ("default",),
    "class_embeddings_concat": (False,),
    "mid_block_only_cross_attention": (None, False),
    "cross_attention_norm": (None,),
}
_VAE: dict[str, tuple[Any, ...]] = {
    "_class_name": ("AutoencoderKL", "FlaxAutoencoderKL"),
    "latent_channels": (4,),
    "in_channels": (3,),
    "out_channels": (3,),
    "act_fn": ("silu", "swish"),
    "shift_factor": (None,),
    "latents_mean": (None,),
    "latents_std": (None,),
    "use_quant_conv": (True,),
    "use_post_quant_conv": (True,),
    "mid_block_add_attention": (True,),
}
_NOISE: dict[str, tuple[Any, ...]] = {  # the sampler's noise levels
    "beta_schedule": ("scaled_linear",),
    "beta_start": (0.00085,),
    "beta_end": (0.012,),
}
# Samplers of the usual models: the networks are the same, and our own takes their place.
_SAMPLERS = (
    "DDIMScheduler",
    "PNDMScheduler",
    "DDIMParallelScheduler",
    "DDPMScheduler",
    "DDPMParallelScheduler",
    "DEISMultistepScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSDEScheduler",
    "DPMSolverSinglestepScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "HeunDiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "LMSDiscreteScheduler",
    "SASolverScheduler",
    "UniPCMultistepScheduler",
)
_USUAL_SAMPLERS = _SAMPLERS[:2]  # of the published models
_DISTILLED = {
    "LCMScheduler": "of a latent consistency model, distilled to a few steps",
    "TCDScheduler": "of a model distilled to a few steps",
}
_OF_TURBO = ("EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler")  # with trailing steps
_SCHEDULER: dict[str, tuple[Any, ...]] = {
    "num_train_timesteps": (1000,),
    "trained_betas": (None,),
    "rescale_betas_zero_snr": (False,),
    "use_flow_sigmas": (False, None),
}
SCHEDULER = "scheduler/scheduler_config.json"
"""The file that says what the UNet predicts."""

_DOWN = {"CrossAttnDownBlock2D": True, "DownBlock2D": False}
_UP = {"CrossAttnUpBlock2D": True, "UpBlock2D": False}
_HEADS = "num_attention_heads"
_SPACING = "timestep_spacing"
_NAME = "_name_or_path"  # where a model was loaded from, before it was saved


class Described(NamedTuple):
    """What the JSON files of a folder say."""

    config: Config
    size: int  # that the model was trained on, pixels
    notes: tuple[str, ...]  # what may surprise, one line each


def read_folder(
    folder: Path, prediction: Prediction | None = None, other_vae: VAEConfig | None = None
) -> Described:
    """Read the configuration of a diffusers folder; `prediction` overrides the folder's.

    With `other_vae`, which is from elsewhere, the folder's own need not be there.

    Raises ValueError, with all that is wrong in any file, when it is no Stable Diffusion 1.x or
    2.x, or differs from them in what our networks or the sampler cannot do.
    """
    check_pipeline(folder / "model_index.json")
    parts: list[Any] = []
    faults: list[str] = []
    files: list[Description] = []
    for parse, name in (
        (unet, "unet/config.json"),
        (vae, "vae/config.json"),
        (text_config, "text_encoder/config.json"),
        (scheduler, SCHEDULER),
    ):
        try:
            if parse is vae and other_vae is not None:
                parts.append(other_vae)
                continue
            description = Description(read_json(folder / name))
            parts.append(parse(description))
            files.append(description)
            if description.faults:
                raise ValueError(f"{folder / name}: {', '.join(description.faults)}")
        except ValueError as error:
            faults.append(str(error))
    if faults:
        raise ValueError("; ".join(faults))
    config = Config(*parts)
    if config.unet.context != config.text.width:
        raise ValueError(
            f"{folder}: the UNet reads text of width {config.unet.context}, the text encoder's has"
            f" {config.text.width}; expected the same"
        )
    config = replace(config, prediction=prediction or config.prediction)
    own, sampler = files[0], files[-1]
    names = (read_json(folder / "model_index.json").get(_NAME), own.content.get(_NAME), folder.name)
    notes = (*sampler_notes(sampler), *distilled.notes(*names))
    return Described(config, _size(own, config.vae.factor), notes)


def check_pipeline(path: Path) -> None:
    """Raise ValueError, one line, when model_index.json names another model."""
    name = str(read_json(path).get("_class_name"))
    if name not in _PIPELINES:
        foreign = (what for start, what in _FOREIGN.items() if name.startswith(start))
        raise ValueError(
            f"{path}: a {name} ({next(foreign, 'another model')});"
            f" expected a {_PIPELINES[0]}, 1.x or 2.x"
        )


def unet(description: Description) -> UNetConfig:
    """Read the description of a UNet2DConditionModel; mismatches are recorded in it."""
    description.expect(_UNET)
    description.faults += [
        f"{key} is {count} ({OTHER_INPUTS.get(count, 'another latent')}); expected 4"
        for key in ("in_channels", "out_channels")
        if (count := description.content.get(key, 4)) != 4
    ]
    channels = description.wholes("block_out_channels", [320, 640, 1280, 1280])
    levels = len(channels)
    attention = description.blocks(
        "down_block_types", _DOWN, [True] * (levels - 1) + [False], levels
    )
    upward = description.blocks("up_block_types", _UP, [*reversed(attention)], levels)
    if upward != attention[::-1]:
        description.faults.append("up_block_types do not mirror down_block_types; expected so")
    # diffusers stores the number of heads under the name of a head's dimension.
    key = "attention_head_dim" if description.content.get("num_attention_heads") is None else _HEADS
    config = UNetConfig(
        channels,
        heads=description.wholes(key, [8] * levels, levels),
        attention=attention,
        context=description.whole("cross_attention_dim", 1280),
        layers=description.whole("layers_per_block", 2),
        groups=description.whole("norm_num_groups", 32),
    )
    description.divides("norm_num_groups", config.channels, (config.groups,) * levels)
    if description.content.get("sample_size") is not None:
        description.wholes("sample_size", [64])
    description.divides(key, config.channels, config.heads)
    return config


def vae(description: Description) -> VAEConfig:
    """Read the description of an AutoencoderKL; mismatches are recorded in it."""
    description.expect(_VAE)
    channels = description.wholes("block_out_channels", [64])
    description.blocks("down_block_types", {"DownEncoderBlock2D": True}, [True], len(channels))
    description.blocks("up_block_types", {"UpDecoderBlock2D": True}, [True], len(channels))
    scale = description.content.get("scaling_factor", 0.18215)
    if not isinstance(scale, float) or not scale > 0:
        description.faults.append(f"scaling_factor is {shown(scale)}; expected a number above 0")
        scale = 1.0
    config = VAEConfig(
        channels,
        layers=description.whole("layers_per_block", 1),
        groups=description.whole("norm_num_groups", 32),
        scale=scale,
    )
    description.divides("norm_num_groups", channels, (config.groups,) * len(channels))
    return config


def scheduler(description: Description) -> Prediction:
    """Read what the UNet predicts from a scheduler's description.

    Recorded as mismatches: noise levels other than our sampler's, and models that are not made for
    many steps.
    """
    missing = [key for key in _NOISE if key not in description.content]
    description.faults += [f"{key} is missing; expected {shown(_NOISE[key][0])}" for key in missing]
    known = {key: _NOISE[key] for key in _NOISE if key in description.content}
    description.expect(known | _SCHEDULER)
    name, spacing = _sampler(description)
    expected = "expected that of a model sampled in many steps, as PNDMScheduler"
    if name not in _SAMPLERS:
        what = _DISTILLED.get(name, "unknown")
        description.faults.append(f"_class_name is {shown(name)} ({what}); {expected}")
    elif name in _OF_TURBO and spacing == "trailing":
        what = "as SD Turbo's, a model distilled to a few steps"
        description.faults.append(f"{_SPACING} is trailing, of {name} ({what}); {expected}")
    prediction = description.content.get("prediction_type", "epsilon")
    if prediction == "v_prediction":
        return "v_prediction"
    if prediction != "epsilon":
        wrong = f"prediction_type is {shown(prediction)}; expected epsilon or v_prediction"
        description.faults.append(wrong)
    return "epsilon"


def sampler_notes(given: Description) -> tuple[str, ...]:
    """What to tell of a scheduler that `scheduler` accepts: at most one line."""
    name, spacing = _sampler(given)
    if name in _USUAL_SAMPLERS and spacing != "trailing":
        return ()
    how = f", {spacing} steps" if spacing else ""
    return (f"its scheduler is {name}{how}; the paper's DDIM samples instead, on the same levels",)


def _sampler(given: Description) -> tuple[str, object]:
    """A scheduler's class, a missing one being DDIM's, and how it spaces its steps."""
    name = str(given.content.get("_class_name", _SAMPLERS[0])).removeprefix("Flax")
    return name, given.content.get(_SPACING)


def _size(given: Description, factor: int) -> int:
    """The size that a UNet was trained on, from `sample_size`, in latents: a side or two."""
    sides = given.content.get("sample_size")
    if sides is None:
        return own_size.USUAL
    sides = sides if isinstance(sides, list) else [sides]
    return own_size.fitting(factor * math.prod(sides) ** (1 / len(sides)))
