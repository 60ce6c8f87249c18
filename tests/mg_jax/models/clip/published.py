"""A tiny CLIP in the layout of published ones, with random weights."""

import json
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import safetensors.numpy
from flax import nnx

from mg_jax.checkpoints import parts
from mg_jax.models.clip import Clip, Config, VisionConfig, loading, network
from mg_jax.models.text import tokenizer
from mg_jax.models.text.config import TextConfig

TINY = Config(
    TextConfig(width=16, layers=2, heads=2, hidden=32, activation="quick_gelu"),
    VisionConfig(width=24, layers=2, heads=3, hidden=48, activation="quick_gelu", patch=8, size=32),
    width=12,
    end=49407,
)
GELU = replace(
    TINY,
    text=replace(TINY.text, activation="gelu"),
    vision=replace(TINY.vision, activation="gelu"),
    end=None,
)
BASE = Config(
    TextConfig(width=512, layers=12, heads=8, hidden=2048, activation="quick_gelu"),
    VisionConfig(width=768, layers=12, heads=12, hidden=3072, activation="quick_gelu", patch=32),
    width=512,
    end=49407,
)
LARGE = Config(
    TextConfig(width=768, layers=12, heads=12, hidden=3072, activation="quick_gelu"),
    VisionConfig(width=1024, layers=24, heads=16, hidden=4096, activation="quick_gelu", patch=14),
    width=768,
    end=49407,
)


def shapes(config):
    """Shapes in our axes, by path."""
    params = network.structure(config)[1]
    return {path: one.shape for path, one in parts.paths(params).items()}


def draw(config, seed=0):
    """Normal numbers by path, of a size that lets every layer count."""
    rng = np.random.default_rng(seed)
    drawn = {}
    for path, shape in shapes(config).items():
        value = rng.standard_normal(shape, np.float32)
        if path.endswith("kernel"):
            value *= np.float32(1.5 * np.prod(shape[:-1]) ** -0.5)
        elif not path.endswith("embedding"):
            value = np.float32(0.2) * value + np.float32(path.endswith("scale"))
        drawn[path] = value
    return drawn


def build(config, drawn):
    """A CLIP with drawn parameters and its own tokenizer."""
    _, params = network.structure(config)
    filled = [
        (path, one.replace(jnp.asarray(drawn[".".join(map(str, path))])))
        for path, one in nnx.to_flat_state(params)
    ]
    return Clip(config, nnx.from_flat_state(filled), tokenizer.default("<|endoftext|>"))


def named(drawn):
    """Arrays as transformers' CLIPModel names them, in PyTorch's axes."""
    return {
        loading.names(path)[0]: np.ascontiguousarray(np.moveaxis(array, (-1, -2), (0, 1)))
        if path.endswith(".kernel")
        else array
        for path, array in drawn.items()
    }


def folder(place, config, drawn):
    """Write a folder; return it."""
    place.mkdir()
    buffers = {
        "logit_scale": np.float32(2.6592)[None].reshape(()),
        "text_model.embeddings.position_ids": np.arange(77)[None],
        "vision_model.embeddings.position_ids": np.arange(config.vision.tokens)[None],
    }
    safetensors.numpy.save_file(named(drawn) | buffers, place / "model.safetensors")
    (place / "config.json").write_text(json.dumps(description(config)))
    (place / "preprocessor_config.json").write_text(json.dumps(preparing(config)))
    words, merges = tokenizer.vocabulary()
    (place / "vocab.json").write_text(json.dumps(words), encoding="utf-8")
    lines = "".join(f"{a} {b}\n" for a, b in merges)
    (place / "merges.txt").write_text(f"#version: 0.2\n{lines}", encoding="utf-8")
    return place


def description(config):
    """config.json."""
    text, vision = config.text, config.vision
    return {
        "model_type": "clip",
        "projection_dim": config.width,
        "text_config": {
            "model_type": "clip_text_model",
            "hidden_size": text.width,
            "intermediate_size": text.hidden,
            "num_hidden_layers": text.layers,
            "num_attention_heads": text.heads,
            "hidden_act": text.activation,
            "eos_token_id": 2 if config.end is None else config.end,
        },
        "vision_config": {
            "model_type": "clip_vision_model",
            "hidden_size": vision.width,
            "intermediate_size": vision.hidden,
            "num_hidden_layers": vision.layers,
            "num_attention_heads": vision.heads,
            "hidden_act": vision.activation,
            "image_size": vision.size,
            "patch_size": vision.patch,
        },
    }


def preparing(config):
    """preprocessor_config.json, as it was in 2021."""
    return {
        "crop_size": config.vision.size,
        "do_center_crop": True,
        "do_normalize": True,
        "do_resize": True,
        "feature_extractor_type": "CLIPFeatureExtractor",
        "image_mean": list(config.mean),
        "image_std": list(config.std),
        "resample": 3,
        "size": config.vision.size,
    }


def photo(height, width, seed=0):
    """A picture with something at every scale."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
