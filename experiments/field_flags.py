"""Flags made from the fields of the models' settings."""

from collections.abc import Iterable
from typing import Any

from absl import flags

import mg_jax
from mg_jax.settings import Field, fields

# Whose fields become flags, and what help texts call them.
_MODELS = {"patch": mg_jax.PatchSettings(), "Stable Diffusion": mg_jax.StableDiffusionSettings()}


def define(names: Iterable[str] | None = None) -> dict[str, flags.FlagHolder[Any]]:
    """Define a flag for each settings field, or for those named; by default none has a value."""
    known: dict[str, dict[str, Field]] = {}
    for model, defaults in _MODELS.items():
        for field in fields(defaults):
            known.setdefault(field.name, {})[model] = field
    return {name: _flag(name, known[name]) for name in (known if names is None else names)}


def given(holders: dict[str, flags.FlagHolder[Any]]) -> dict[str, Any]:
    """The settings that flags of `define` were given."""
    return {name: flag.value for name, flag in holders.items() if flag.value is not None}


def _flag(name: str, of: dict[str, Field]) -> flags.FlagHolder[Any]:
    field = next(iter(of.values()))
    defaults = "; ".join(f"{model}: {_default(field)}" for model, field in of.items())
    text = f"{field.help} ({defaults})"
    if field.choices:
        return flags.DEFINE_enum(name, None, list(field.choices), text)
    if field.kind is bool:
        return flags.DEFINE_bool(name, None, text)
    if field.kind is int:
        return flags.DEFINE_integer(name, None, text)
    return flags.DEFINE_float(name, None, text)


def _default(field: Field) -> str:
    return "the model's own" if field.default is None else str(field.default)
