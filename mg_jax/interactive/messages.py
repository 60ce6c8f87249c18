"""What a page's messages hold, read and checked. Each raises ValueError that names the field."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float64

from mg_jax.interactive import handles

Message = Mapping[str, Any]

_MOST_POINTS = 20_000  # of a stroke


def mode(message: Message) -> str:
    """Read which handles are shown."""
    mode = message.get("mode", handles.MODES[0])
    if mode not in handles.MODES:
        raise ValueError(f"mode: expected one of {', '.join(handles.MODES)}")
    return str(mode)


def whole(message: Message, name: str, default: int | None = None) -> int:
    """Read a whole number."""
    value = message.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{name}: expected a whole number")
    return value


def number(message: Message, name: str) -> float:
    """Read a number of pixels."""
    value = message.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) <= 1e6:
        raise ValueError(f"{name}: expected a number of pixels")
    return float(value)


def points(message: Message) -> Float64[np.ndarray, "n 2"]:
    """Read the points of a message, to a tenth of a pixel."""
    given = message.get("points")
    if not isinstance(given, list) or not 1 <= len(given) <= _MOST_POINTS:
        raise ValueError(f"points: expected 1 to {_MOST_POINTS}")
    try:
        read = np.array(given, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError("points: expected pairs of numbers") from error
    if read.ndim != 2 or read.shape[1] != 2 or not (np.abs(read) <= 1e6).all():
        raise ValueError("points: expected pairs of numbers of pixels")
    return np.round(read, 1)


def point(place: Float64[np.ndarray, "2"]) -> str:
    """Write a point (x, y) as words have it."""
    return f"{place[0]:g},{place[1]:g}"


def selection_words(tool: object, message: Message) -> str:
    """Write a selection by a tool in words."""
    if tool == "everything":
        return "everything"
    if tool not in ("click", "rectangle", "polygon"):
        raise ValueError("tool: expected click, rectangle, polygon, brush, mask or everything")
    return " ".join([str(tool), *map(point, points(message))])
