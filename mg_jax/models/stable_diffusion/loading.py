"""Load Stable Diffusion from a folder, a file, the hub, or our own converted folder."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from mg_jax.checkpoints.parts import Params
from mg_jax.models.stable_diffusion import (
    checkpoint,
    clip_skip,
    converted,
    folder,
    hub,
    own_size,
    separate_vae,
    single_file,
)
from mg_jax.models.stable_diffusion.checkpoint import Checkpoint, Origin, Weights
from mg_jax.models.stable_diffusion.config import Config
from mg_jax.models.stable_diffusion.options import AS_STORED, ASKED, LoadingOptions
from mg_jax.models.stable_diffusion.separate_vae import SeparateVAE
from mg_jax.models.text import tokenizer
from mg_jax.models.text.config import TextConfig
from mg_jax.models.text.tokenizer import Tokenizer

_CLIP = 49408  # tokens of CLIP's vocabulary
_EXPECTED_VAE = "a file, a folder or a hub id of an autoencoder, as stabilityai/sd-vae-ft-mse"
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

    @property
    def identity(self) -> tuple[Weights, str]:
        """All that distinguishes it from other models: its parameters, its configuration."""
        return self.weights, repr(self.config)


def load(
    source: str | Path,
    options: LoadingOptions = AS_STORED,
    *,
    dtype: DTypeLike = jnp.float32,
    sharding: jax.sharding.Sharding | None = None,
) -> StableDiffusion:
    """Load Stable Diffusion 1.x or 2.x, parameters as `dtype` on the devices of `sharding`.

    `source` is a diffusers folder; an original single file, .safetensors or .ckpt; a folder by
    `experiments.convert_weights`; or on the hub id, id@revision or id/file, which is downloaded
    once. `options` override what the source says; `origin` of the result tells what was decided. By
    default parameters go to the first device.

    Raises ValueError, which names the file, when it is missing, unreadable, incomplete, or another
    model; what an option has caused begins with its name.
    """
    place = find(source, dtype, options)
    if converted.is_one(place):
        return _converted(place, options, dtype, sharding)
    return take(inspect(place, dtype, options), dtype=dtype, sharding=sharding)


def find(
    source: str | Path, dtype: DTypeLike = jnp.float32, options: LoadingOptions = AS_STORED
) -> Path:
    """Return the file or folder of a source; what is on the hub is downloaded first.

    Raises ValueError, one line, when there is none.
    """
    return _find(source, dtype, options, hub.download, _EXPECTED)


def inspect(
    place: Path, dtype: DTypeLike = jnp.float32, options: LoadingOptions = AS_STORED
) -> Checkpoint:
    """Find out what a published folder or file holds, without reading its parameters.

    Raises ValueError, one line, when it is no Stable Diffusion 1.x or 2.x.
    """
    vae = _separate_vae(options, dtype)
    if not place.is_dir():
        if options.variant is not None:
            raise ValueError(
                f"variant: of a folder's weights, but {place} is a file; expected none"
            )
        return single_file.read(place, options, vae)
    if not (place / folder.INDEX).exists():
        raise ValueError(f"{place}: has no {folder.INDEX}; expected {_EXPECTED}")
    return folder.read(place, options, dtype, vae)


def _find(
    source: str | Path,
    dtype: DTypeLike,
    options: LoadingOptions,
    download: Callable[[str, DTypeLike, LoadingOptions], Path],
    expected: str,
) -> Path:
    path = Path(source)
    if path.exists():
        if options.revision is not None:
            raise ValueError(f"revision: of the hub, but {source} lies here; expected none")
        return path
    named = hub.parse(str(source))
    if named is None or (named.file is not None and Path(named.repository).is_dir()):
        raise ValueError(f"{source}: no such file or folder; expected {expected}")
    return download(str(source), dtype, options)


def _separate_vae(options: LoadingOptions, dtype: DTypeLike) -> SeparateVAE | None:
    """The autoencoder that the options name; None if they name none."""
    if options.vae is None:
        return None
    own = replace(options, revision=None, variant=None)  # which are the model's
    try:
        place = _find(options.vae, dtype, own, hub.download_vae, _EXPECTED_VAE)
    except ValueError as error:
        raise ValueError(f"vae: {error}") from None
    return separate_vae.read(place, dtype)


def _converted(
    place: Path,
    options: LoadingOptions,
    dtype: DTypeLike,
    sharding: jax.sharding.Sharding | None,
) -> StableDiffusion:
    """Load a folder by `experiments.convert_weights`, and change in it what the options say."""
    if options.variant is not None:
        raise ValueError(f"variant: {place} was converted, and has none; expected none")
    kept = converted.read(place, dtype=dtype, sharding=sharding)
    config, skipped = clip_skip.applied(kept.config, options.clip_skip)
    weights = kept.weights._replace(text=clip_skip.shortened(kept.weights.text, config.text.layers))
    origin = replace(kept.origin, notes=(*kept.origin.notes, *skipped))
    vae = _separate_vae(options, dtype)
    if vae is not None:
        config = replace(config, vae=vae.fitting(config.vae.scale))
        weights = weights._replace(vae=_filled_vae(vae, config, dtype, sharding))
        origin = replace(origin, notes=(*origin.notes, *vae.notes))
    if options.prediction:
        config = replace(config, prediction=options.prediction)
        origin = replace(origin, prediction=options.prediction, prediction_by=ASKED)
    words = read_tokenizer(kept.tokenizer, config.text, str(place))
    return StableDiffusion(config, weights, words, origin)


def _filled_vae(
    vae: SeparateVAE, config: Config, dtype: DTypeLike, sharding: jax.sharding.Sharding | None
) -> Params:
    try:
        return checkpoint.fill_vae(vae.part, config.vae, dtype=dtype, sharding=sharding)
    except ValueError as error:
        raise ValueError(f"vae: {', '.join(map(str, vae.files))}: {error}") from None


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
