"""Random scenes of cut-outs over photos: each is a case whose answer is known."""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, UInt8

from experiments import placing, random_motions
from experiments.material import Material, crop
from experiments.portable_rng import Chance
from mg_jax.cases import Case
from mg_jax.compositing import Layer, compose

_KINDS = ("translate", "rotate", "scale") * 3 + ("stretch", "homography") * 2 + ("bend", "grow")
_MOVERS = (1, 1, 1, 1, 1, 1, 2, 2, 2, 3)  # as likely as they stand here
_RESTING = (0, 0, 0, 0, 1, 1, 1, 2)
_SHARES = {1: (0.03, 0.14), 2: (0.02, 0.08), 3: (0.015, 0.05)}  # of the picture, by movers
_LONGEST = 0.6  # side of an object, in sides of the picture
_CASTS = 20  # tried for a scene
_TRIES = 20  # to place all of a cast
_LEAVING = 0.05  # share of an object that may leave the picture
_MOVING = 0.03, 0.6  # mean way of an object, in sides of the picture
_HIDDEN = 0.4  # share of a resting object that others may come to cover


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


def draw(material: Material, seed: int, index: int, size: int) -> Case:
    """Draw the scene of a seed and index, `size` pixels a side: the same on every machine.

    One to three objects move and up to two rest, all whole in the source and nearly whole in the
    answer; movers keep clear of one another, and pass in front of what rests.

    Raises:
        ValueError: the cut-outs do not fit.
    """
    chance = Chance(seed, index)
    photo = crop(chance, chance.pick(material.photos), size)
    things = next(_placed(chance, material, photo), None)
    if things is None:
        raise ValueError("cutouts: cannot be placed; expected others, or other photos")
    source, flow, answer, _ = compose(photo, [thing.layer for thing in things])
    kinds = [thing.role.kind for thing in things if thing.role.kind]
    names = [thing.role.name.replace("_", " ") for thing in things]
    prompt = "a photo of " + " and ".join(f"a {name}" for name in names)
    return Case(f"{index:03d}-{'-'.join(kinds)}", source, flow, None, answer, prompt)


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
    ask = random_motions.asked(role.kind, size) if role.kind else None
    for placed in placing.placings(chance, role.cutout, role.scale, photo, ask):
        if role.kind:
            leaving = placing.outside(placed.goals, 0, size).mean()
            if leaving > _LEAVING or not _MOVING[0] < placing.way(placed) / size < _MOVING[1]:
                continue
        source, answer = placing.cells(placed.points, size), placing.cells(placed.goals, size)
        thing = _Thing(role, placed.layer, source, answer)
        if not any(_disturb(thing, other) for other in others):
            yield thing


def _disturb(thing: _Thing, other: _Thing) -> bool:
    """Whether two objects overlap in the source, or too much of one is covered in the answer."""
    overlap = (thing.answer & other.answer).sum()
    allowed = 0.0 if other.role.kind else _HIDDEN * other.answer.sum()
    return bool((thing.source & other.source).any() or overlap > allowed)


def _scale(cutout: UInt8[np.ndarray, "_ _ 4"], share: float, size: int) -> float:
    """Return the scale at which a cut-out covers a share of the picture, or is as long as may."""
    opaque = int((cutout[..., 3] > 127).sum())  # at least one: see read_cutout
    by_area, by_length = math.sqrt(share / opaque), _LONGEST / max(cutout.shape[:2])
    return float(size * min(by_area, by_length))
