"""Random scenes of cut-outs over photos: each is a case whose answer is known."""

import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image

from experiments import random_motions
from experiments.chance import Chance
from flows import motions
from flows.motions import Motion
from mg_jax import images
from mg_jax.cases import Case
from mg_jax.compositing import Layer, Place, compose, read_cutout

_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
_KINDS = ("translate", "rotate", "scale") * 3 + ("stretch", "homography") * 2 + ("bend", "grow")
_MOVERS = (1, 1, 1, 1, 1, 1, 2, 2, 2, 3)  # as likely as they stand here
_RESTING = (0, 0, 0, 0, 1, 1, 1, 2)
_SHARES = {1: (0.03, 0.14), 2: (0.02, 0.08), 3: (0.015, 0.05)}  # of the picture, by movers
_LONGEST = 0.6  # side of an object, in sides of the picture
_CONTRAST = 35  # mean difference, 0 to 255, of an object from the photo behind it
_CASTS = 20  # tried for a scene
_TRIES = 20  # to place all of a cast
_PLACES = 20  # tried for an object
_LEAVING = 0.05  # share of an object that may leave the picture
_MOVING = 0.03, 0.6  # mean way of an object, in sides of the picture
_HIDDEN = 0.4  # share of a resting object that others may come to cover
_CELLS = 64  # a side: the grain in which objects keep clear of each other
_POINTS = 40  # a side of a cut-out: where it is asked for its place


class Material(NamedTuple):
    """What scenes are made of, sorted by name.

    Attributes:
        photos: what lies behind.
        cutouts: objects with their names; the fourth channel is opacity.
    """

    photos: list[UInt8[np.ndarray, "_ _ 3"]]
    cutouts: list[tuple[str, UInt8[np.ndarray, "_ _ 4"]]]


class _Role(NamedTuple):
    name: str
    kind: str  # of motion; "" at rest
    cutout: UInt8[np.ndarray, "_ _ 4"]
    scale: float


class _Thing(NamedTuple):
    role: _Role
    layer: Layer
    source: Bool[np.ndarray, "cells cells"]  # what it covers, in cells
    answer: Bool[np.ndarray, "cells cells"]


def read(photos: Path, cutouts: Path) -> Material:
    """Read all photos of a folder, and all cut-outs of another.

    Raises:
        ValueError: no such folder, none in it, a broken one, or a cut-out that is none.
    """
    return Material(
        [images.read(path) for path in _files(photos)],
        [(path.stem, _trimmed(read_cutout(path))) for path in _files(cutouts)],
    )


def draw(material: Material, seed: int, index: int, size: int) -> Case:
    """Draw the scene of a seed and index, `size` pixels a side: the same on every machine.

    One to three objects move and up to two rest, all whole in the source and nearly whole in the
    answer; movers keep clear of one another, and pass in front of what rests.

    Raises:
        ValueError: the cut-outs do not fit.
    """
    chance = Chance(seed, index)
    photo = _crop(chance, chance.pick(material.photos), size)
    things = next(_placed(chance, material, photo), None)
    if things is None:
        raise ValueError("cutouts: cannot be placed; expected others, or other photos")
    source, flow, answer = compose(photo, [thing.layer for thing in things])
    kinds = [thing.role.kind for thing in things if thing.role.kind]
    names = [thing.role.name.replace("_", " ") for thing in things]
    prompt = "a photo of " + " and ".join(f"a {name}" for name in names)
    return Case(f"{index:03d}-{'-'.join(kinds)}", source, flow, None, answer, prompt)


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder; expected one with pictures")
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
    if not found:
        raise ValueError(f"{folder}: has no picture; expected .png, .jpg or .webp files")
    return found


def _crop(
    chance: Chance, photo: UInt8[np.ndarray, "H W 3"], size: int
) -> UInt8[np.ndarray, "{size} {size} 3"]:
    """Cut a square of most of a photo's height, perhaps mirrored."""
    height, width, _ = photo.shape
    side = int(min(height, width) * chance.between(0.8, 1))
    top = int(chance.between(0, 1) * (height - side))
    left = int(chance.between(0, 1) * (width - side))
    square = photo[top : top + side, left : left + side]
    if chance.happens(0.5):
        square = square[:, ::-1]
    sized = Image.fromarray(square).resize((size, size), Image.Resampling.LANCZOS)
    return np.array(sized)


def _placed(
    chance: Chance, material: Material, photo: UInt8[np.ndarray, "s s 3"]
) -> Iterator[list[_Thing]]:
    """Yield scenes' objects, resting ones first."""
    for _ in range(_CASTS):
        cast = _cast(chance, material, len(photo))
        for _ in range(_TRIES):
            things: list[_Thing] = []
            for role in cast:
                things += itertools.islice(_placings(chance, role, photo, things), 1)
            if len(things) == len(cast):
                yield things


def _cast(chance: Chance, material: Material, size: int) -> list[_Role]:
    """Draw who rests and who moves, and how; no cut-out twice."""
    movers, resting = chance.pick(_MOVERS), chance.pick(_RESTING)
    left = list(material.cutouts)
    resting = min(resting, len(left) - 1)  # one is left to move
    cast = []
    for kind in [""] * resting + [chance.pick(_KINDS) for _ in range(movers)]:
        if left:
            name, cutout = left.pop(chance.pick(range(len(left))))
            share = chance.between(*_SHARES[movers])
            cast.append(_Role(name, kind, cutout, _scale(cutout, share, size)))
    return cast


def _placings(
    chance: Chance, role: _Role, photo: UInt8[np.ndarray, "s s 3"], others: Sequence[_Thing]
) -> Iterator[_Thing]:
    """Yield an object at places where it is whole, shows, and does not disturb others."""
    size = len(photo)
    for _ in range(_PLACES):
        place = Place(
            chance.between(0.1, 0.9) * size,
            chance.between(0.1, 0.9) * size,
            role.scale,
            chance.between(-25, 25),
        )
        points, colours = _samples(role.cutout, place)
        if _outside(points, 3, size).any():
            continue
        x, y = np.round(points).astype(int).T
        if np.abs(photo[y, x].astype(float) - colours).mean() < _CONTRAST:
            continue
        source = answer = _cells(points, size)
        motion = None
        if role.kind:
            low, high = points.min(axis=0).tolist(), points.max(axis=0).tolist()
            extent = random_motions.Extent(low, high, size)
            motion = motions.parse(random_motions.draw(chance, role.kind, extent))
            try:
                goals = points + _displacement(motion, points, size)
            except ValueError:  # the motion does not suit the object
                continue
            way = float(np.linalg.norm(goals - points, axis=-1).mean()) / size
            if _outside(goals, 0, size).mean() > _LEAVING or not _MOVING[0] < way < _MOVING[1]:
                continue
            answer = _cells(goals, size)
        thing = _Thing(role, Layer(role.cutout, place, motion), source, answer)
        if not any(_disturb(thing, other) for other in others):
            yield thing


def _disturb(thing: _Thing, other: _Thing) -> bool:
    """Whether two objects overlap in the source, or too much of one is covered in the answer."""
    overlap = (thing.answer & other.answer).sum()
    allowed = 0.0 if other.role.kind else _HIDDEN * other.answer.sum()
    return bool((thing.source & other.source).any() or overlap > allowed)


def _trimmed(cutout: UInt8[np.ndarray, "_ _ 4"]) -> UInt8[np.ndarray, "_ _ 4"]:
    """Take away what is wholly transparent round an object: it has no part in its size."""
    rows, columns = np.nonzero(cutout[..., 3])
    return cutout[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


def _scale(cutout: UInt8[np.ndarray, "_ _ 4"], share: float, size: int) -> float:
    """Return the scale at which a cut-out covers a share of the picture, or is as long as may."""
    opaque = int((cutout[..., 3] > 127).sum())  # at least one: see read_cutout
    by_area, by_length = math.sqrt(share / opaque), _LONGEST / max(cutout.shape[:2])
    return float(size * min(by_area, by_length))


def _samples(
    cutout: UInt8[np.ndarray, "_ _ 4"], place: Place
) -> tuple[Float[np.ndarray, "n 2"], UInt8[np.ndarray, "n 3"]]:
    """Sample a cut-out's area: places in the picture of pixels that show, and their colours."""
    high, wide, _ = cutout.shape
    every = max(1, max(high, wide) // _POINTS)
    coarse = cutout[::every, ::every]
    shows = coarse[..., 3] > 0
    offsets = np.argwhere(shows)[:, ::-1] * every - np.array([(wide - 1) / 2, (high - 1) / 2])
    return place.outward(offsets), coarse[shows][:, :3]


def _displacement(
    motion: Motion, points: Float[np.ndarray, "n 2"], size: int
) -> Float[np.ndarray, "n 2"]:
    low, high = np.floor(points.min(axis=0)).astype(int), np.ceil(points.max(axis=0)).astype(int)
    mask = np.zeros((size, size), bool)
    mask[low[1] : high[1] + 1, low[0] : high[0] + 1] = True
    x, y = np.round(points).astype(int).T
    return np.asarray(motions.field(motion, mask)[y, x], np.float64)


def _outside(points: Float[np.ndarray, "n 2"], margin: int, size: int) -> Bool[np.ndarray, " n"]:
    return np.asarray(((points < margin) | (points > size - 1 - margin)).any(axis=-1))


def _cells(points: Float[np.ndarray, "n 2"], size: int) -> Bool[np.ndarray, "cells cells"]:
    covered = np.zeros((_CELLS, _CELLS), bool)
    x, y = np.clip(points * _CELLS / size, 0, _CELLS - 1).astype(int).T
    covered[y, x] = True
    return covered
