"""Stable Diffusion in our own folder: Orbax parameters, config.json and the tokenizer's files.

`config.json` holds the configuration, the format's version, and where the weights are from. The
folder is restored directly to the devices, without torch and without conversion.
"""

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from flows.files import atomic_folder
from mg_jax import weights
from mg_jax.checkpoints import parts
from mg_jax.checkpoints.descriptions import read_json
from mg_jax.checkpoints.parts import Params
from mg_jax.models.stable_diffusion import checkpoint, own_size, stored_config
from mg_jax.models.stable_diffusion.checkpoint import Checkpoint, Origin, Weights
from mg_jax.models.stable_diffusion.config import Config
from mg_jax.models.stable_diffusion.settings import StableDiffusionSettings

FORMAT = "mg_jax stable diffusion"
VERSION = 1

_CONFIG, _TOKENIZER, _PARAMETERS = "config.json", "tokenizer", "parameters"
_TOKENIZER_FILES = (
    "vocab.json",
    "merges.txt",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
)


class Converted(NamedTuple):
    """The content of a converted folder."""

    config: Config
    weights: Weights
    tokenizer: Path | None  # its folder
    origin: Origin


def is_one(path: Path) -> bool:
    """Whether `write` made this folder, even if its config.json has been damaged since."""
    if (path / _CONFIG).is_file() and (path / _PARAMETERS).is_dir():
        return True
    try:
        content = json.loads((path / _CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("format") == FORMAT


def write(path: Path, checkpoint: Checkpoint, params: Weights) -> None:
    """Write parameters to a new folder, which appears whole or not at all.

    `checkpoint` is what they were read from. Raises ValueError when the path exists
    already, the disk has too little room, or the folder cannot be written.
    """
    check_new(path)
    arrays = _flat(params)
    content = {
        "format": FORMAT,
        "version": VERSION,
        "config": dataclasses.asdict(checkpoint.config),
        "origin": {
            "kind": checkpoint.kind,
            "prediction_by": checkpoint.prediction_by,
            "size": checkpoint.size,
            "notes": checkpoint.notes,
            "left_out": checkpoint.unused,
            "sha256": {f"{f.parent.name}/{f.name}": _digest(f) for f in checkpoint.files},
        },
    }
    try:
        with atomic_folder(path) as unfinished:
            need = sum(array.nbytes for array in arrays.values())
            room = shutil.disk_usage(path.parent)
            if need > room.free:
                raise OSError(f"{need / 1e9:.1f} GB for a disk with {room.free / 1e9:.1f} GB left")
            weights.save(unfinished / _PARAMETERS, arrays)
            if checkpoint.tokenizer is not None:
                (unfinished / _TOKENIZER).mkdir()
                for name in _TOKENIZER_FILES:
                    if (checkpoint.tokenizer / name).exists():
                        shutil.copyfile(checkpoint.tokenizer / name, unfinished / _TOKENIZER / name)
            (unfinished / _CONFIG).write_text(json.dumps(content, indent=2) + "\n")
    except OSError as error:
        raise ValueError(f"{path}: cannot be written ({error.strerror or error})") from None


def check_new(path: Path) -> None:
    """Raise ValueError if the path exists already."""
    if path.exists() or path.is_symlink():
        raise ValueError(f"{path}: exists already; expected the name of a new folder")


def read(
    path: Path, *, dtype: DTypeLike, sharding: jax.sharding.Sharding | None = None
) -> Converted:
    """Read a folder, its parameters as `dtype`.

    Raises ValueError, one line, when the folder is of another version, or damaged.
    """
    content = read_json(path / _CONFIG)
    if content.get("format") != FORMAT:
        raise ValueError(
            f"{path / _CONFIG}: format {content.get('format')!r}; expected {FORMAT!r}:"
            " convert the weights again"
        )
    if content.get("version") != VERSION:
        raise ValueError(
            f"{path / _CONFIG}: format version {content.get('version')}; expected {VERSION}:"
            " convert the weights again"
        )
    try:
        config = stored_config.read(content.get("config"))
    except ValueError as error:
        raise ValueError(f"{path / _CONFIG}: broken ({error}); convert the weights again") from None
    empty = checkpoint.shapes(config)
    wanted = {name: variable.shape for name, variable in _flat(empty).items()}
    values = weights.restore(path / _PARAMETERS, wanted, dtype=dtype, sharding=sharding)
    words = path / _TOKENIZER
    return Converted(
        config,
        _nested(empty, values),
        words if words.is_dir() else None,
        _origin(content.get("origin"), config),
    )


def _origin(content: object, config: Config) -> Origin:
    """What a folder tells of its origin; older folders tell less, which is as it was then."""
    told = content if isinstance(content, dict) else {}
    sizes = StableDiffusionSettings.SIZES
    by, size, notes = told.get("prediction_by"), told.get("size"), told.get("notes")
    return Origin(
        kind="converted folder",
        prediction=config.prediction,
        prediction_by=f"{_CONFIG}: {by}" if isinstance(by, str) else _CONFIG,
        size=size if isinstance(size, int) and size in sizes else own_size.USUAL,
        notes=tuple(map(str, notes)) if isinstance(notes, list) else (),
    )


def _flat(params: Weights) -> dict[str, Any]:
    """All parameters in one dictionary, by network and path."""
    return {
        f"{network}.{path}": variable.get_value()
        for network, part in zip(params._fields, params, strict=True)
        for path, variable in parts.paths(part).items()
    }


def _nested(empty: Weights, values: Mapping[str, Float[Array, "..."]]) -> Weights:
    """Undo `_flat`: put the values into the structure of `empty`."""

    def part(network: str, params: Params) -> Params:
        pairs = zip(nnx.to_flat_state(params), parts.paths(params), strict=True)
        return nnx.from_flat_state(
            (path, variable.replace(values[f"{network}.{name}"]))
            for (path, variable), name in pairs
        )

    return Weights(*map(part, empty._fields, empty))


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
