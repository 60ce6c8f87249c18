"""Choose the files of a network's weights in a folder as diffusers and transformers name them.

A folder may hold the same weights several times: as safetensors and as PyTorch's .bin, whole and in
shards with an index, and in variants: fp16, and non_ema, the weights without moving averages.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
from jax.typing import DTypeLike

from mg_jax.checkpoints import arrays

_STEMS = {"text_encoder": ("model", "pytorch_model")}  # of safetensors and .bin
_USUAL = ("diffusion_pytorch_model",) * 2  # of all other networks
_FULL, _HALF = "", "fp16"


class Choice(NamedTuple):
    """A file of weights, or the index of its shards."""

    name: str
    variant: str  # empty for the usual one
    pickled: bool


def choices(network: str, names: Iterable[str]) -> list[Choice]:
    """List the files or indices of weights among the `names` of a network's files."""
    safe, pickle = _STEMS.get(network, _USUAL)
    found = []
    for name in sorted(set(names)):
        for stem, ending in ((safe, "safetensors"), (pickle, "bin")):
            variant = r"(?:\.(?P<variant>(?!.*-of-)[\w-]+))?"
            file = rf"{stem}{variant}\.{ending}"
            index = file.replace(variant, "") + rf"\.index{variant}\.json"
            if match := re.fullmatch(file, name) or re.fullmatch(index, name):
                found.append(Choice(name, match["variant"] or "", ending == "bin"))
    return found


def choose(
    network: str, names: Iterable[str], dtype: DTypeLike, variant: str | None = None
) -> Choice | None:
    """Choose one of a folder's weight files or of their indices; None when there are none.

    `variant` is preferred where there is one. Else full precision is preferred to fp16, or the
    reverse if parameters are kept in half precision, safetensors to .bin (which torch reads, arrays
    only), and any of these to other variants.
    """
    usual = (_FULL, _HALF) if jnp.dtype(dtype).itemsize > 2 else (_HALF, _FULL)

    def rank(one: Choice) -> tuple[bool, bool, bool, int, str]:
        place = usual.index(one.variant) if one.variant in usual else len(usual)
        rare = place == len(usual)
        other = variant is not None and one.variant != variant
        return (other, rare, one.pickled, place, one.name)

    return min(choices(network, names), key=rank, default=None)


def check_variant(variant: str | None, there: Iterable[Choice], source: str) -> None:
    """Raise ValueError, one line, when no network of a model has the variant that is asked for."""
    known = sorted({one.variant for one in there} - {_FULL})
    if variant and variant not in known:
        expected = " or ".join(known) if known else "none: it has no variants"
        raise ValueError(f"variant: {variant} is not in {source}; expected {expected}")


def note(network: str, choice: Choice, asked: str | None) -> tuple[str, ...]:
    """What to tell of a choice that may surprise: at most one line."""
    if choice.variant in (_FULL, _HALF, asked):
        return ()
    return (f"{network}: of its weights only the variant {choice.variant} is there",)


def files(folder: Path, choice: Choice) -> list[Path]:
    """The files of a choice: itself, or the shards that it lists."""
    path = folder / choice.name
    return arrays.read_index(path) if path.suffix == ".json" else [path]
