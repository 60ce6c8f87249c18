"""Parse motions from words, with every value checked."""

import inspect
from typing import NamedTuple

import numpy as np

from flows import parsing
from flows.motions.registry import MOTIONS
from flows.motions.types import Displacement, Points

_CENTRE = ("cx", "cy")  # optional in words; by default the centre of what moves


class Step(NamedTuple):
    """One step of a motion.

    Attributes:
        name: a key of `MOTIONS`.
        parameters: the arguments of its function; `cx` and `cy` may be missing.
    """

    name: str
    parameters: dict[str, float | Points]

    @property
    def open(self) -> bool:
        """Whether the words leave a coordinate of its centre open."""
        return any(
            name in _parameters(self.name) and name not in self.parameters for name in _CENTRE
        )

    def about(self, cx: float, cy: float) -> Displacement:
        """Build the step's displacement; (cx, cy) is its centre if the words leave it open.

        Raises:
            ValueError: a value is out of its range.
        """
        centre = {"cx": cx, "cy": cy}
        open_ = {name: centre[name] for name in _parameters(self.name) if name in _CENTRE}
        return MOTIONS[self.name](**(open_ | self.parameters))


class MotionSpec(NamedTuple):
    """Steps done one after the other, at least one."""

    steps: tuple[Step, ...]


def say(motion: MotionSpec) -> str:
    """Write a motion as the words that `parse` reads back exactly."""
    return "; ".join(
        " ".join([step.name, *map(_pair, step.parameters.items())]) for step in motion.steps
    )


def parse(text: str) -> MotionSpec:
    """Parse a motion from words, with every parameter checked.

    Raises:
        ValueError: a motion or parameter is unknown; a parameter is missing, given twice, not a
            finite number or point, or out of range. The message, one line, lists what is known.
    """
    parts = [part.strip() for part in text.split(";")]
    if not any(parts):
        raise ValueError(f"motion {text!r}: is empty; expected {_usage()}")
    return MotionSpec(tuple(_step(part) for part in parts if part))


def _step(text: str) -> Step:
    name, *words = text.split()
    if name not in MOTIONS:
        raise ValueError(f"motion {text!r}: unknown motion {name!r}; expected {_usage()}")
    usage = f"expected {_usage(name)}"
    known = {_word(parameter): parameter for parameter in _parameters(name)}
    parameters: dict[str, float | Points] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or key not in known:
            raise ValueError(f"motion {text!r}: unknown parameter {word!r}; {usage}")
        if known[key] in parameters:
            raise ValueError(f"motion {text!r}: {key} is given twice; {usage}")
        where = f"motion {text!r}: {key}"
        if _is_number(name, known[key]):
            parameters[known[key]] = parsing.number(value, where)
        else:
            parameters[known[key]] = parsing.points(value.split("/"), where)
    if not parameters:
        raise ValueError(f"motion {text!r}: has no parameter; {usage}")
    for key, parameter in known.items():
        if not _is_optional(name, parameter) and parameter not in parameters:
            raise ValueError(f"motion {text!r}: {key} is missing; {usage}")
    step = Step(name, parameters)
    try:  # refuse numbers out of range here, and not only in an edit
        step.about(0.0, 0.0)
    except ValueError as error:
        raise ValueError(f"motion {text!r}: {error}") from error
    return step


def _pair(item: tuple[str, float | Points]) -> str:
    name, value = item
    if isinstance(value, np.ndarray):
        return f"{_word(name)}={'/'.join(','.join(map(_plain, point)) for point in value)}"
    return f"{_word(name)}={_plain(value)}"


def _plain(value: float) -> str:
    """The shortest number that is read back exactly."""
    return np.format_float_positional(float(value), trim="-")


def _parameters(name: str) -> list[str]:
    return list(inspect.signature(MOTIONS[name]).parameters)


def _is_number(name: str, parameter: str) -> bool:
    return inspect.signature(MOTIONS[name]).parameters[parameter].annotation is float


def _is_optional(name: str, parameter: str) -> bool:
    default = inspect.signature(MOTIONS[name]).parameters[parameter].default
    return parameter in _CENTRE or default is not inspect.Parameter.empty


def _word(parameter: str) -> str:
    return parameter.rstrip("_")  # `from` is a keyword, so the parameter is `from_`


def _usage(name: str | None = None) -> str:
    """Spell out one motion, or all of them: `rotate degrees= [cx=] [cy=]`."""
    if name is None:
        return "one of: " + "; ".join(_usage(known) for known in MOTIONS)
    words = []
    for parameter in _parameters(name):
        value = "" if _is_number(name, parameter) else "x,y/x,y/..."
        word = f"{_word(parameter)}={value}"
        words.append(f"[{word}]" if _is_optional(name, parameter) else word)
    return " ".join([name, *words])
