"""Read a configuration from JSON, with every field checked."""

import dataclasses
import math
from typing import Any, Literal, get_args, get_origin, get_type_hints

from mg_jax.checkpoints.descriptions import Description
from mg_jax.models.stable_diffusion.config import Config


def read(content: object) -> Config:
    """Rebuild the configuration whose `dataclasses.asdict` was written as JSON.

    Raises:
        ValueError: a field is missing, unknown, of another type, or contradicts others. One line
            that names it.
    """
    config: Config = _field(content, Config, "config")
    if faults := disagreements(config):
        raise ValueError(", ".join(faults))
    return config


def _field(value: Any, kind: Any, name: str) -> Any:
    """Convert a JSON value to a field's type; numbers must be positive and finite."""
    if isinstance(kind, type) and dataclasses.is_dataclass(kind) and isinstance(value, dict):
        hints = get_type_hints(kind)
        if unknown := sorted(value.keys() - hints.keys()):
            raise ValueError(f"{name}.{unknown[0]} is unknown; expected {', '.join(hints)}")
        fields = {key: _field(value.get(key), of, f"{name}.{key}") for key, of in hints.items()}
        return kind(**fields)
    if get_origin(kind) is tuple and isinstance(value, list) and value:
        return tuple(_field(item, get_args(kind)[0], name) for item in value)
    if get_origin(kind) is Literal and value in get_args(kind):
        return value
    if type(value) is kind and (kind is bool or 0 < value < math.inf):
        return value
    raise ValueError(f"{name} is {_text(value)}; expected {_expected(kind)}")


def _expected(kind: Any) -> str:
    """A field's type in words."""
    if dataclasses.is_dataclass(kind):
        return "an object"
    if get_origin(kind) is tuple:
        return f"a list, each {_expected(get_args(kind)[0])}"
    if get_origin(kind) is Literal:
        return " or ".join(get_args(kind))
    return {bool: "true or false", int: "a whole number above 0"}.get(kind, "a number above 0.0")


def _text(value: Any) -> str:
    """Format a value, cut to 80 characters; null counts as missing."""
    if value is None:
        return "missing"
    written = repr(value)
    return written if len(written) <= 80 else f"{written[:80]}…"


def disagreements(config: Config) -> list[str]:
    """List a configuration's contradictions: levels, heads, groups, and the width of texts."""
    noted = Description({})
    unet, vae, text = config.unet, config.vae, config.text
    noted.divides("unet.attention", unet.channels, (1,) * len(unet.attention))
    noted.divides("unet.heads", unet.channels, unet.heads)
    noted.divides("unet.groups", unet.channels, (unet.groups,) * len(unet.channels))
    noted.divides("vae.groups", vae.channels, (vae.groups,) * len(vae.channels))
    noted.divides("text.heads", (text.width,), (text.heads,))
    if unet.context != text.width:
        noted.faults.append(f"unet.context is {unet.context}; expected text.width, {text.width}")
    return noted.faults
