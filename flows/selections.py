"""Selections of an object in words: `rectangle 10,20 100,200`, `click 300,220`, `everything`.

The first word says how, the others are points `x,y`: pixels, x right, y down. After `not`, a click
has points that are no part of the object: `click 300,220 not 350,200`. To add a way of selecting,
add a function to `SELECTIONS`.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, UInt8

from flows import clicks, parsing

Image = UInt8[np.ndarray, "h w 3"]
Mask = Bool[np.ndarray, "h w"]
Points = Float64[np.ndarray, "_ 2"]

_NO_POINTS = np.zeros((0, 2))


def rectangle(image: Image, points: Points) -> Mask:
    """Select the rectangle between two opposite corners, both included.

    Raises:
        ValueError: not two points.
    """
    if len(points) != 2:
        raise ValueError(f"has {len(points)} points; expected 2, opposite corners")
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    return np.asarray((left <= x) & (x <= right) & (top <= y) & (y <= bottom))


def polygon(image: Image, points: Points) -> Mask:
    """Select the pixels whose centres lie inside a closed outline.

    Raises:
        ValueError: fewer than three points.
    """
    if len(points) < 3:
        raise ValueError(f"has {len(points)} points; expected 3 or more, the outline in order")
    from skimage.draw import polygon2mask  # takes long to import

    selected: Mask = polygon2mask(  # type: ignore[no-untyped-call]
        image.shape[:2], points[:, ::-1]
    )
    return selected


def click(image: Image, points: Points, away: Points = _NO_POINTS) -> Mask:
    """Select the object, or the objects, under one or several points; see `flows.clicks`.

    `away`: points that are no part of them.

    Raises:
        ValueError: no point, too small a picture, or no object there: the selection would be the
            whole picture.
    """
    if not len(points):
        raise ValueError("has no point; expected one on the object, as 300,220")
    selected = clicks.select(image, points, away)
    if selected.all():
        raise ValueError("finds no object, selects everything; expected a click on one")
    return selected


def everything(image: Image, points: Points) -> Mask:
    """Select the whole picture.

    Raises:
        ValueError: there are points.
    """
    if len(points):
        raise ValueError(f"has {len(points)} points; expected none")
    return np.ones(image.shape[:2], bool)


SELECTIONS: dict[str, Callable[..., Mask]] = {
    "rectangle": rectangle,
    "polygon": polygon,
    "click": click,
    "everything": everything,
}

_NOT = "not"  # after it, what a click leaves out
_LABELLED = re.compile(r"(.+)#([0-9]{1,5}|[0-9a-fA-F]{6})")
_POINT = re.compile(r"[-+.\d]+,[-+.\d]+")
_USAGE = (
    "one of: rectangle x,y x,y; polygon x,y x,y x,y ...; click x,y ... [not x,y ...]; everything"
)


class Words(NamedTuple):
    """A selection as it is said."""

    name: str  # a key of `SELECTIONS`
    points: Points
    away: Points  # what a click leaves out


def names_file(text: str) -> bool:
    """Whether there is a file of this name; a text that cannot be a name is none."""
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # too long, or a null character
        return False


def labelled(name: str) -> tuple[str, str]:
    """Split a mask's name, as `mask.png#15` or `mask.png#800000`, into file and label.

    The label is "" if there is none, or if there is a file of the whole name.
    """
    found = None if names_file(name) else _LABELLED.fullmatch(name)
    return (found[1], found[2]) if found else (name, "")


def is_words(text: str) -> bool:
    """Whether a text is a selection in words rather than the name of a file.

    It is if `select` knows the first word, or if all other words are points; but not if there is a
    file of that name.
    """
    if names_file(labelled(text)[0]):
        return False
    name, *words = text.split() or [""]
    return name in SELECTIONS or (words != [] and all(_POINT.fullmatch(word) for word in words))


def select(text: str, image: Image) -> Mask:
    """Select the part of a picture that the words describe; True is selected.

    Raises:
        ValueError: one line: the first word is unknown, a point cannot be read or lies outside the
            picture, there are too few or too many, or nothing is selected.
    """
    words = parse(text, (image.shape[0], image.shape[1]))
    try:
        if len(words.away):
            selected = click(image, words.points, words.away)
        else:
            selected = SELECTIONS[words.name](image, words.points)
    except ValueError as error:
        raise ValueError(f"selection {text!r}: {error}") from error
    return something(selected, f"selection {text!r}")


def parse(text: str, shape: tuple[int, int]) -> Words:
    """Parse a selection's words for a picture of `shape`, (height, width); nothing is computed.

    Raises:
        ValueError: one line: the first word is unknown, a point cannot be read or lies outside the
            picture, or there is `not` where it means nothing.
    """
    name, *rest = text.split() or [""]
    if name not in SELECTIONS:
        raise ValueError(f"selection {text!r}: unknown {name!r}; expected {_USAGE}")
    count = rest.index(_NOT) if _NOT in rest else len(rest)
    here, others = rest[:count], rest[count + 1 :]
    points = parsing.points([*here, *others], f"selection {text!r}: point")
    if count < len(rest) and (name != "click" or not others):
        raise ValueError(f"selection {text!r}: {_NOT!r}; expected it in a click, before points")
    height, width = shape
    outside = ((points < 0) | (points > [width - 1, height - 1])).any(axis=-1)
    if outside.any():
        x, y = points[outside][0]
        raise ValueError(
            f"selection {text!r}: {x:g},{y:g} lies outside the picture; expected x up to"
            f" {width - 1} and y up to {height - 1}"
        )
    return Words(name, points[:count], points[count:])


def something(selected: Mask, name: str) -> Mask:
    """Return a selection unchanged, after checking that it is not empty.

    Raises:
        ValueError: it selects nothing; the message begins with `name`.
    """
    if not selected.any():
        raise ValueError(f"{name}: selects nothing; expected a part of the picture, or all of it")
    return selected
