"""Tiny checkpoints in the layouts of published ones, with random weights."""

import json
from dataclasses import replace

import numpy as np
import safetensors.numpy

from mg_jax.checkpoints import parts
from mg_jax.models.stable_diffusion import checkpoint, layouts
from mg_jax.models.stable_diffusion.config import Config, UNetConfig, VAEConfig
from mg_jax.models.text import tokenizer
from mg_jax.models.text.config import TextConfig

# What a single file does not tell is as in the published models: groups, heads, tokens.
FIRST = Config(
    UNetConfig((32, 64), heads=(8, 8), attention=(True, False), context=16, layers=1),
    VAEConfig((32, 32), layers=1),
    TextConfig(width=16, layers=2, heads=1, hidden=32, activation="quick_gelu"),
    prediction="epsilon",
)
SECOND = replace(
    FIRST,
    unet=replace(FIRST.unet, heads=(1, 1)),
    text=replace(FIRST.text, layers=23, activation="gelu"),
    prediction="v_prediction",
)
STEMS = {
    "unet": "diffusion_pytorch_model",
    "vae": "diffusion_pytorch_model",
    "text_encoder": "model",
}


def draw(config, seed=0):
    """Values by network and path, as float16 can hold them."""
    rng = np.random.default_rng(seed)
    return {
        network: {
            path: rng.normal(size=one.shape).astype(np.float16).astype(np.float32)
            for path, one in parts.paths(params).items()
        }
        for network, params in checkpoint.shapes(config)._asdict().items()
    }


def tame(config):
    """Small values, as drawn ones of unit size blow up: for tests in which only sizes matter."""
    return {
        network: {path: 0.05 * array for path, array in arrays.items()}
        for network, arrays in draw(config).items()
    }


def values(weights):
    """The same of what was loaded."""
    return {
        network: {path: np.asarray(one.get_value()) for path, one in parts.paths(p).items()}
        for network, p in weights._asdict().items()
    }


def same(found, expected):
    assert found.keys() == expected.keys()
    for network, arrays in expected.items():
        assert found[network].keys() == arrays.keys()
        for path, array in arrays.items():
            np.testing.assert_array_equal(found[network][path], array, err_msg=path)
    return True


def theirs(path, array, window=False):
    """An array in PyTorch's axes; `window` makes a linear layer a 1x1 convolution."""
    if not path.endswith(".kernel"):
        return array
    array = np.ascontiguousarray(np.moveaxis(array, (-1, -2), (0, 1)))
    return array[..., None, None] if window and array.ndim == 2 else array


def folder(place, config, drawn):
    """Write a diffusers folder; return it."""
    for name, content in descriptions(config).items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(json.dumps(content))
    for network, arrays in named(config, drawn).items():
        safetensors.numpy.save_file(arrays, place / network / f"{STEMS[network]}.safetensors")
    words, merges = tokenizer.vocabulary()
    (place / "tokenizer").mkdir()
    (place / "tokenizer" / "vocab.json").write_text(json.dumps(words), encoding="utf-8")
    lines = "".join(f"{a} {b}\n" for a, b in merges)
    (place / "tokenizer" / "merges.txt").write_text(f"#version: 0.2\n{lines}", encoding="utf-8")
    return place


def named(config, drawn):
    """Arrays as a diffusers folder has them, by folder and name."""
    second = config.text.activation == "gelu"

    def projects(path):
        return not second and path.split(".")[-2] in ("proj_in", "proj_out")

    return {
        "unet": {
            layouts.diffusers_unet(path)[0]: theirs(path, array, projects(path))
            for path, array in drawn["unet"].items()
        },
        "vae": {
            layouts.diffusers_vae(path)[0]: theirs(path, array)
            for path, array in drawn["vae"].items()
        },
        "text_encoder": {
            layouts.transformers_text(path)[1]: theirs(path, array)
            for path, array in drawn["text"].items()
        }
        | {"text_model.embeddings.position_ids": np.arange(77)[None]},
    }


def descriptions(config):
    """The JSON files of a diffusers folder."""
    unet, vae, text = config.unet, config.vae, config.text
    cross = [("CrossAttn" if one else "") for one in unet.attention]
    return {
        "model_index.json": {"_class_name": "StableDiffusionPipeline"},
        "unet/config.json": {
            "_class_name": "UNet2DConditionModel",
            "in_channels": 4,
            "out_channels": 4,
            "block_out_channels": list(unet.channels),
            "down_block_types": [f"{one}DownBlock2D" for one in cross],
            "up_block_types": [f"{one}UpBlock2D" for one in reversed(cross)],
            "layers_per_block": unet.layers,
            "attention_head_dim": list(unet.heads) if len(set(unet.heads)) > 1 else unet.heads[0],
            "cross_attention_dim": unet.context,
            "norm_num_groups": unet.groups,
        },
        "vae/config.json": {
            "_class_name": "AutoencoderKL",
            "block_out_channels": list(vae.channels),
            "down_block_types": ["DownEncoderBlock2D"] * len(vae.channels),
            "up_block_types": ["UpDecoderBlock2D"] * len(vae.channels),
            "layers_per_block": vae.layers,
            "norm_num_groups": vae.groups,
        },
        "text_encoder/config.json": {
            "model_type": "clip_text_model",
            "hidden_size": text.width,
            "intermediate_size": text.hidden,
            "num_hidden_layers": text.layers,
            "num_attention_heads": text.heads,
            "hidden_act": text.activation,
        },
        "scheduler/scheduler_config.json": {
            "_class_name": "PNDMScheduler",
            "beta_start": 0.00085,
            "beta_end": 0.012,
            "beta_schedule": "scaled_linear",
            "num_train_timesteps": 1000,
            "prediction_type": config.prediction,
        },
    }


def original(config, drawn):
    """Arrays as a single file has them, with what else stands there."""
    second = config.text.activation == "gelu"
    arrays = {}
    unet, vae = layouts.original_unet(config.unet), layouts.original_vae(config.vae)
    for path, array in drawn["unet"].items():
        window = not second and path.split(".")[-2] in ("proj_in", "proj_out")
        arrays[unet(path)[0]] = theirs(path, array, window)
    for path, array in drawn["vae"].items():
        arrays[vae(path)[0]] = theirs(path, array, window=True)
    if second:
        text = layouts.original_open_clip(config.text)
        parts = {text(path)[0]: theirs(path, array) for path, array in drawn["text"].items()}
        fused = {name.rpartition(".")[0] for name in parts if ".in_proj_" in name}
        for name in fused:
            arrays[name] = np.concatenate(
                [parts.pop(f"{name}.{part}") for part in ("q_proj", "k_proj", "v_proj")]
            )
        last = {
            name.replace(".22.", ".23."): array
            for name, array in (arrays | parts).items()
            if ".resblocks.22." in name
        }
        start = "cond_stage_model.model."
        head = {f"{start}logit_scale": np.float32(1), f"{start}text_projection": np.eye(16)}
        arrays |= parts | last | {name: np.asarray(one) for name, one in head.items()}
    else:
        for path, array in drawn["text"].items():
            arrays[layouts.original_clip(path)[1]] = theirs(path, array)
        ids = "cond_stage_model.transformer.text_model.embeddings.position_ids"
        arrays[ids] = np.arange(77)[None]
    arrays |= {"betas": np.ones(1000), "alphas_cumprod": np.ones(1000)}
    return arrays | {
        "model_ema.decay": np.ones(()),
        "model_ema.diffusion_modelout0bias": np.ones(4),
    }


def single(path, config, drawn):
    """Write a single file; return it."""
    safetensors.numpy.save_file(original(config, drawn), path)
    return path
