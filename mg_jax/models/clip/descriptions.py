"""Read and check the JSON files of a CLIP folder.

Missing keys have the defaults of transformers.
"""

import json
from pathlib import Path
from typing import Any

from mg_jax.checkpoints.descriptions import Description, read_json
from mg_jax.models.clip.config import Colour, Config, VisionConfig
from mg_jax.models.text.config import TextConfig
from mg_jax.models.text.description import text_config
from mg_jax.models.text.tokenizer import LENGTH

_CLIP: dict[str, tuple[Any, ...]] = {"model_type": ("clip",)}
_TEXT: dict[str, tuple[Any, ...]] = {"max_position_embeddings": (LENGTH,)}
_VISION: dict[str, tuple[Any, ...]] = {
    "model_type": ("clip_vision_model",),
    "num_channels": (3,),
    "layer_norm_eps": (1e-5,),
    "hidden_act": ("quick_gelu", "gelu"),
}
_PREPARING: dict[str, tuple[Any, ...]] = {
    "do_resize": (True,),
    "do_center_crop": (True,),
    "do_rescale": (True,),
    "do_normalize": (True,),
    "resample": (3,),  # bicubic
    "rescale_factor": (1 / 255,),
}
# The id that transformers before version 4.31 wrote for the end of a text, whatever the real id; it
# did not read it, but took the token with the largest id.
_FORMER_END = 2


def read(folder: Path) -> Config:
    """Read a folder's configuration from config.json and preprocessor_config.json.

    transformers 5 may write the latter as a part of processor_config.json; without either, pictures
    are prepared as OpenAI's CLIP expects them. Raises ValueError, one line with all that is wrong
    in a file, when it is missing or broken, or describes what our networks cannot do.
    """
    file = folder / "config.json"
    outer = Description(read_json(file))
    outer.expect(_CLIP)
    _raise(file, outer.faults)
    parts = {key: Description(_part(file, outer, key)) for key in ("text_config", "vision_config")}
    texts, visions = parts.values()
    text, vision = _text(texts), _vision(visions)
    end = texts.content.get("eos_token_id", 49407)
    if type(end) is not int:
        texts.faults.append(f"eos_token_id is {json.dumps(end)}; expected a token's id")
    width = outer.whole("projection_dim", 512)
    faults = [f"{key}: {fault}" for key, part in parts.items() for fault in part.faults]
    _raise(file, outer.faults + faults)
    mean, std = _preparing(folder, vision.size)
    return Config(text, vision, width, None if end == _FORMER_END else end, mean, std)


def _part(file: Path, outer: Description, key: str) -> dict[str, Any]:
    """Return one encoder's description; an older key takes precedence, as in transformers."""
    former = outer.content.get(f"{key}_dict")
    part = outer.content.get(key) if former is None else former
    if part is None:
        return {}
    if not isinstance(part, dict):
        raise ValueError(f"{file}: {key} is a {type(part).__name__}; expected a JSON object")
    return part


def _text(description: Description) -> TextConfig:
    description.expect(_TEXT)
    return text_config(description)


def _vision(description: Description) -> VisionConfig:
    description.expect(_VISION)
    config = VisionConfig(
        width=description.whole("hidden_size", 768),
        layers=description.whole("num_hidden_layers", 12),
        heads=description.whole("num_attention_heads", 12),
        hidden=description.whole("intermediate_size", 3072),
        activation="gelu" if description.content.get("hidden_act") == "gelu" else "quick_gelu",
        patch=description.whole("patch_size", 32),
        size=description.whole("image_size", 224),
    )
    description.divides("num_attention_heads", (config.width,), (config.heads,))
    description.divides("patch_size", (config.size,), (config.patch,))
    return config


def _preparing(folder: Path, side: int) -> tuple[Colour, Colour]:
    """Return the colours' mean and standard deviation; check that the rest is as `prepare` does."""
    file, whole = folder / "preprocessor_config.json", folder / "processor_config.json"
    if file.exists():
        content = read_json(file)
    elif whole.exists():
        file, content = whole, read_json(whole).get("image_processor", {})
        if not isinstance(content, dict):
            raise ValueError(f"{file}: image_processor is no JSON object; expected one")
    else:
        return Config.mean, Config.std
    description = Description(content)
    description.expect(_PREPARING)
    description.expect(
        {
            "size": ({"shortest_edge": side}, side),
            "crop_size": ({"height": side, "width": side}, side),
        }
    )
    mean = _colour(description, "image_mean", Config.mean)
    std = _colour(description, "image_std", Config.std)
    if not min(std):
        description.faults.append(f"image_std is {list(std)}; expected no 0")
    _raise(file, description.faults)
    return mean, std


def _colour(description: Description, key: str, default: Colour) -> Colour:
    value = description.content.get(key, list(default))
    match value:
        case [float() | int() as r, float() | int() as g, float() | int() as b] if (
            0 <= r <= 1 and 0 <= g <= 1 and 0 <= b <= 1
        ):
            return float(r), float(g), float(b)
    description.faults.append(f"{key} is {json.dumps(value)}; expected three numbers from 0 to 1")
    return default


def _raise(file: Path, faults: list[str]) -> None:
    if faults:
        raise ValueError(f"{file}: {', '.join(faults)}")
