"""Motions in words, as flows: `translate dx=150`, `rotate degrees=30; translate dy=-20`.

A motion is a name with `parameter=number` pairs; several, apart by `;`, are done one after the
other. Positions and lengths are pixels, x right, y down. Adding a motion is adding a function to
the registry: its keyword parameters are the words, a default makes one optional.
"""

import inspect
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32

Points = Float[np.ndarray, "*points 2"]


def translate(points: Points, *, dx: float = 0.0, dy: float = 0.0) -> Points:
    """Move by (dx, dy) pixels."""
    return np.broadcast_to(np.array([dx, dy]), points.shape)


def rotate(points: Points, *, degrees: float, cx: float, cy: float) -> Points:
    """Turn about (cx, cy); positive is counter-clockwise as seen on the screen."""
    angle = math.radians(degrees)
    cosine, sine = math.cos(angle), math.sin(angle)
    return _linear(points, [[cosine, sine], [-sine, cosine]], cx, cy)


def scale(points: Points, *, factor: float, cx: float, cy: float) -> Points:
    """Enlarge (factor above 1) or shrink about (cx, cy)."""
    _positive(factor=factor)
    return _linear(points, [[factor, 0.0], [0.0, factor]], cx, cy)


def stretch(
    points: Points, *, x: float = 1.0, y: float = 1.0, degrees: float = 0.0, cx: float, cy: float
) -> Points:
    """Scale along x and y by factors of their own, with axes turned counter-clockwise."""
    _positive(x=x, y=y)
    angle = math.radians(degrees)
    axes = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    return _linear(points, (axes @ np.diag([x, y]) @ axes.T).tolist(), cx, cy)


MOTIONS: dict[str, Callable[..., Points]] = {
    "translate": translate,
    "rotate": rotate,
    "scale": scale,
    "stretch": stretch,
}

_LIMIT = 1e6  # beyond any picture, and far from float32's overflow
_CENTRE = ("cx", "cy")  # optional in words: the middle of what moves


class Step(NamedTuple):
    """One motion.

    Attributes:
        name: a key of `MOTIONS`.
        parameters: its words' numbers; `cx` and `cy` may be missing.
    """

    name: str
    parameters: dict[str, float]


class Motion(NamedTuple):
    """Steps done one after the other, at least one."""

    steps: tuple[Step, ...]


def parse(text: str) -> Motion:
    """Read a motion from words, with every parameter checked.

    Raises:
        ValueError: an unknown motion or parameter, one that is missing, given twice, no finite
            number or outside its range. One line that says what is known.
    """
    parts = [part.strip() for part in text.split(";")]
    if not any(parts):
        raise ValueError(f"motion {text!r}: is empty; expected {_usage()}")
    return Motion(tuple(_step(part) for part in parts if part))


def field(motion: Motion, mask: Bool[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w 2"]:
    """Draw the motion's flow: the displacement of every selected pixel, 0 elsewhere.

    A centre that the words leave open is the middle (centroid) of the mask, carried along by the
    steps before: an object that has moved turns about itself.

    Raises:
        ValueError: the mask selects nothing.
    """
    if not mask.any():
        raise ValueError("motion: the mask selects no pixel; expected an object to move")
    y, x = np.nonzero(mask)
    start = np.stack([x, y], axis=-1).astype(np.float64)
    points, middle = start, start.mean(axis=0)
    for step in motion.steps:
        parameters = _with_centre(step, middle)
        displace = MOTIONS[step.name]
        points = points + displace(points, **parameters)
        middle = middle + displace(middle, **parameters)
    flow = np.zeros((*mask.shape, 2), np.float32)
    flow[mask] = points - start
    return flow


def leaving(flow: Float[np.ndarray, "h w 2"], mask: Bool[np.ndarray, "h w"]) -> float:
    """Measure the share, 0 to 1, of the selected pixels that end outside the picture."""
    if not mask.any():
        return 0.0
    height, width = mask.shape
    y, x = np.nonzero(mask)
    end = np.stack([x, y], axis=-1) + flow[mask].astype(np.float64)
    slack = 1e-3  # rounding on the outermost pixels is no leaving
    last = np.array([width - 1, height - 1])
    outside = (end < -slack) | (end > last + slack)
    return float(outside.any(axis=-1).mean())


def _linear(points: Points, matrix: list[list[float]], cx: float, cy: float) -> Points:
    """Displace by a matrix [x, y] about a centre."""
    return np.asarray((points - np.array([cx, cy])) @ (np.array(matrix) - np.eye(2)).T)


def _positive(**factors: float) -> None:
    for name, value in factors.items():
        if value <= 0:
            raise ValueError(f"{name}={value:g}; expected a factor above 0")


def _with_centre(step: Step, middle: Points) -> dict[str, float]:
    known = inspect.signature(MOTIONS[step.name]).parameters
    centre = dict(zip(_CENTRE, middle.tolist(), strict=True))
    return {name: value for name, value in centre.items() if name in known} | step.parameters


def _step(text: str) -> Step:
    name, *words = text.split()
    if name not in MOTIONS:
        raise ValueError(f"motion {text!r}: unknown motion {name!r}; expected {_usage()}")
    usage = f"expected {_usage(name)}"
    known = list(inspect.signature(MOTIONS[name]).parameters.values())[1:]
    parameters: dict[str, float] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or key not in (parameter.name for parameter in known):
            raise ValueError(f"motion {text!r}: unknown parameter {word!r}; {usage}")
        if key in parameters:
            raise ValueError(f"motion {text!r}: {key} is given twice; {usage}")
        parameters[key] = _number(value, f"motion {text!r}: {key}")
    if not parameters:
        raise ValueError(f"motion {text!r}: has no parameter; {usage}")
    for parameter in known:
        optional = parameter.default is not parameter.empty or parameter.name in _CENTRE
        if not optional and parameter.name not in parameters:
            raise ValueError(f"motion {text!r}: {parameter.name} is missing; {usage}")
    step = Step(name, parameters)
    try:  # on one point, so that a number out of its range is refused here and not in an edit
        MOTIONS[name](np.zeros(2), **_with_centre(step, np.zeros(2)))
    except ValueError as error:
        raise ValueError(f"motion {text!r}: {error}") from error
    return step


def _number(text: str, where: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not abs(number) <= _LIMIT:  # NaN, too
        raise ValueError(
            f"{where}={text!r} is no number up to {_LIMIT:,.0f}; expected one like 12 or -3.5"
        )
    return number


def _usage(name: str | None = None) -> str:
    """Spell out one motion, or all of them: `rotate degrees= [cx=] [cy=]`."""
    if name is None:
        return "one of: " + "; ".join(_usage(known) for known in MOTIONS)
    words = []
    for parameter in list(inspect.signature(MOTIONS[name]).parameters.values())[1:]:
        optional = parameter.default is not parameter.empty or parameter.name in _CENTRE
        words.append(f"[{parameter.name}=]" if optional else f"{parameter.name}=")
    return " ".join([name, *words])
