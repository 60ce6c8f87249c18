"""Load CLIP from a folder of a transformers CLIPModel."""

import re
from pathlib import Path

import jax.numpy as jnp

from mg_jax.checkpoints import arrays, parts
from mg_jax.checkpoints.arrays import Stored
from mg_jax.checkpoints.parts import Params, Part
from mg_jax.models.clip import descriptions
from mg_jax.models.clip.config import Config
from mg_jax.models.clip.network import structure
from mg_jax.models.clip.scoring import Clip
from mg_jax.models.text import tokenizer

WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
"""Names of weight files; the first that exists is read."""

_LEAVES = {"kernel": "weight", "scale": "weight", "embedding": "weight"}
_UNUSED = re.compile(r"logit_scale|(text|vision)_model\.embeddings\.position_ids")
_TOLD = 5  # most mismatches in a message; a file of another model has hundreds


def load(folder: str | Path) -> Clip:
    """Load a CLIP with a vision transformer, ViT-B/32 to ViT-bigG/14 and similar, in float32.

    The folder holds config.json, the weights (model.safetensors, or pytorch_model.bin, which needs
    torch and is read without running pickled code), the tokenizer (vocab.json and merges.txt, or
    tokenizer.json) and, optionally, preprocessor_config.json. Raises ValueError, one line that
    names the file, when one is missing, unreadable, incomplete, or of another model.
    """
    place = Path(folder)
    if not (place / "config.json").is_file():
        raise ValueError(
            f"{folder}: has no config.json; expected a folder of a CLIPModel of transformers"
        )
    config = descriptions.read(place)
    words = tokenizer.read(place, config.text.vocabulary)
    if config.end not in (None, words.end):
        raise ValueError(
            f"{place / 'config.json'}: text_config: eos_token_id is {config.end}; expected"
            f" {words.end}, with which the tokenizer ends texts"
        )
    return Clip(config, _fill(place, config), words)


def names(path: str) -> tuple[str, ...]:
    """Return the name that a parameter's array has in transformers' CLIPModel."""
    module, _, leaf = path.rpartition(".")
    return (f"{module}.{_LEAVES.get(leaf, leaf)}",)


def _fill(place: Path, config: Config) -> Params:
    """Read all parameters; every array must have a place, and every parameter an array."""
    files = _weight_files(place)
    part = Part(_arrays(files), names)
    _, wanted = structure(config)
    matched, faults = parts.match(part, wanted)
    try:
        if faults:
            more = f"; and {len(faults) - _TOLD} more" if len(faults) > _TOLD else ""
            raise ValueError(f"these weights do not fit: {'; '.join(faults[:_TOLD])}{more}")
        return parts.fill(wanted, part, matched, dtype=jnp.float32)
    except ValueError as error:
        raise ValueError(f"{', '.join(map(str, files))}: {error}") from None


def _weight_files(place: Path) -> list[Path]:
    file = next((place / name for name in WEIGHTS if (place / name).exists()), None)
    if file is None:
        raise ValueError(f"{place}: no weights; expected {WEIGHTS[0]}")
    return arrays.read_index(file) if file.suffix == ".json" else [file]


def _arrays(files: list[Path]) -> dict[str, Stored]:
    """List all arrays that are needed."""
    stored = arrays.read_all(files)
    return {name: array for name, array in stored.items() if not _UNUSED.fullmatch(name)}
