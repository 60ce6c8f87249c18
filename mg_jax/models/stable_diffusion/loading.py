"""Load Stable Diffusion from a folder, a file, the hub, or our own converted folder."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from mg_jax.checkpoints import arrays
from mg_jax.models.stable_diffusion import checkpoint, converted, folder, hub, own_size, single_file
from mg_jax.models.stable_diffusion.checkpoint import Checkpoint, Origin, Weights
from mg_jax.models.stable_diffusion.config import Config
from mg_jax.models.stable_diffusion.options import AS_STORED, ASKED, LoadingOptions
from mg_jax.models.text import tokenizer
from mg_jax.models.text.config import TextConfig
from mg_jax.models.text.tokenizer import Tokenizer

_CLIP = 49408  # tokens of CLIP's vocabulary
_SUFFIXES = (".safetensors", *arrays.PICKLES)
_EXPECTED = (
    "a diffusers folder, a .safetensors or .ckpt file, a folder by convert_weights, or a hub id"
    " as CompVis/stable-diffusion-v1-4"
)


@dataclass(frozen=True, eq=False)
class StableDiffusion:
    """Configuration, parameters (one argument of jitted functions) and tokenizer."""

    config: Config
    weights: Weights
    tokenizer: Tokenizer
    origin: Origin | None = None  # None: not read from a checkpoint

    @property
    def size(self) -> int:
        """Side of the pictures that the model was trained on, pixels."""
        return own_size.USUAL if self.origin is None else self.origin.size


def load(
    source: str | Path,
    options: LoadingOptions = AS_STORED,
    *,
    dtype: DTypeLike = jnp.float32,
    sharding: jax.sharding.Sharding | None = None,
) -> StableDiffusion:
    """Load Stable Diffusion 1.x or 2.x, parameters as `dtype` on the devices of `sharding`.

    `source` is a diffusers folder; an original single file, .safetensors or .ckpt; a folder by
    `experiments.convert_weights`; or a hub id, which is downloaded once. `options` override what
    the source says. By default parameters go to the first device. Raises ValueError, which names
    the file, when it is missing, unreadable, incomplete, or another model.
    """
    place = find(source, dtype)
    if converted.is_one(place):
        kept = converted.read(place, dtype=dtype, sharding=sharding)
        config, origin = kept.config, kept.origin
        if options.prediction:
            config = replace(config, prediction=options.prediction)
            origin = replace(origin, prediction=options.prediction, prediction_by=ASKED)
        words = read_tokenizer(kept.tokenizer, config.text, str(place))
        return StableDiffusion(config, kept.weights, words, origin)
    return take(inspect(place, dtype, options), dtype=dtype, sharding=sharding)


def find(source: str | Path, dtype: DTypeLike = jnp.float32) -> Path:
    """Return the file or folder of a source; a hub id is downloaded first.

    Raises ValueError, one line, when there is none.
    """
    path = Path(source)
    if path.exists():
        return path
    named = re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", str(source))
    if not named or path.suffix in _SUFFIXES or path.parent.exists():
        raise ValueError(f"{source}: no such file or folder; expected {_EXPECTED}")
    return hub.download(str(source), dtype)


def inspect(
    place: Path, dtype: DTypeLike = jnp.float32, options: LoadingOptions = AS_STORED
) -> Checkpoint:
    """Find out what a published folder or file holds, without reading its arrays.

    Raises ValueError, one line, when it is no Stable Diffusion 1.x or 2.x.
    """
    if not place.is_dir():
        return single_file.read(place, options)
    if not (place / folder.INDEX).exists():
        raise ValueError(f"{place}: has no {folder.INDEX}; expected {_EXPECTED}")
    return folder.read(place, options, dtype)


def take(
    found: Checkpoint,
    *,
    dtype: DTypeLike = jnp.float32,
    sharding: jax.sharding.Sharding | None = None,
) -> StableDiffusion:
    """Read the checkpoint that `inspect` found. Raises ValueError that lists all mismatches."""
    files = ", ".join(map(str, found.files))
    words = read_tokenizer(found.tokenizer, found.config.text, files)
    try:
        weights = checkpoint.fill(found, dtype=dtype, sharding=sharding)
    except ValueError as error:
        raise ValueError(f"{files}: {error}") from None
    return StableDiffusion(found.config, weights, words, found.origin)


def read_tokenizer(words: Path | None, text: TextConfig, weights: str) -> Tokenizer:
    """Read a tokenizer from its folder, or make CLIP's own if `words` is None.

    CLIP's pads as Stable Diffusion 1.x or 2.x does, by the text encoder's activation. Raises
    ValueError, one line that names the tokenizer's file, or else `weights`, when the tokenizer is
    broken or the text encoder has another number of tokens.
    """
    if words is not None:
        return tokenizer.read(words, text.vocabulary)
    if text.vocabulary != _CLIP:
        raise ValueError(
            f"{weights}: {text.vocabulary} tokens, without a tokenizer; expected CLIP's {_CLIP}"
        )
    return tokenizer.default("<|endoftext|>" if text.activation == "quick_gelu" else "!")
