"""Cut-outs laid on photos at random: where they are, and where their motion takes them."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8

from experiments.portable_rng import Chance
from flows import motions
from flows.motions import MotionSpec
from flows.motions.types import Displacement, Points
from mg_jax.compositing import Layer, Place

_CONTRAST = 35  # mean difference, 0 to 255, of an object from the photo behind it
_PLACES = 20  # tried for an object
_CELLS = 64  # a side: the grain in which objects keep clear of each other
_SAMPLES = 40  # a side of a cut-out: where it is asked for its place

# Draws a motion for the points of an object. A ValueError says that none suits it.
Ask = Callable[[Chance, Points], MotionSpec | Displacement]


class Placed(NamedTuple):
    """A cut-out at its place.

    Attributes:
        layer: what is drawn.
        points: samples of its area, in pixels of the picture.
        goals: where they go.
    """

    layer: Layer
    points: Points
    goals: Points


def placings(
    chance: Chance,
    cutout: UInt8[np.ndarray, "_ _ 4"],
    scale: float,
    photo: UInt8[np.ndarray, "s s 3"],
    ask: Ask | None,
) -> Iterator[Placed]:
    """Yield a cut-out at random places where it is whole and shows; at rest if `ask` is None."""
    size = len(photo)
    for _ in range(_PLACES):
        place = Place(
            chance.between(0.1, 0.9) * size,
            chance.between(0.1, 0.9) * size,
            scale,
            chance.between(-25, 25),
        )
        points, colours = _samples(cutout, place)
        if outside(points, 3, size).any():
            continue
        x, y = np.round(points).astype(int).T
        if np.abs(photo[y, x].astype(float) - colours).mean() < _CONTRAST:
            continue
        if ask is None:
            yield Placed(Layer(cutout, place), points, points)
            continue
        try:
            motion = ask(chance, points)
            goals = points + _displacement(motion, points, size)
        except ValueError:  # the motion does not suit the object
            continue
        yield Placed(Layer(cutout, place, motion), points, goals)


def way(placed: Placed) -> float:
    """Measure how far an object goes in the mean, in pixels."""
    return float(np.linalg.norm(placed.goals - placed.points, axis=-1).mean())


def outside(points: Float[np.ndarray, "n 2"], margin: float, size: int) -> Bool[np.ndarray, " n"]:
    """Mark points outside a picture of `size` pixels a side, or within a margin of its border."""
    return np.asarray(((points < margin) | (points > size - 1 - margin)).any(axis=-1))


def cells(points: Float[np.ndarray, "n 2"], size: int) -> Bool[np.ndarray, "cells cells"]:
    """Mark what points cover of a picture of `size` pixels a side, in 64 x 64 cells."""
    covered = np.zeros((_CELLS, _CELLS), bool)
    x, y = np.clip(points * _CELLS / size, 0, _CELLS - 1).astype(int).T
    covered[y, x] = True
    return covered


def _samples(
    cutout: UInt8[np.ndarray, "_ _ 4"], place: Place
) -> tuple[Float[np.ndarray, "n 2"], UInt8[np.ndarray, "n 3"]]:
    """Sample a cut-out's area: places in the picture of pixels that show, and their colours."""
    high, wide, _ = cutout.shape
    every = max(1, max(high, wide) // _SAMPLES)
    coarse = cutout[::every, ::every]
    shows = coarse[..., 3] > 0
    offsets = np.argwhere(shows)[:, ::-1] * every - np.array([(wide - 1) / 2, (high - 1) / 2])
    return place.outward(offsets), coarse[shows][:, :3]


def _displacement(
    motion: MotionSpec | Displacement, points: Float[np.ndarray, "n 2"], size: int
) -> Float[np.ndarray, "n 2"]:
    if not isinstance(motion, MotionSpec):
        return motion(points)
    low, high = np.floor(points.min(axis=0)).astype(int), np.ceil(points.max(axis=0)).astype(int)
    mask = np.zeros((size, size), bool)
    mask[low[1] : high[1] + 1, low[0] : high[0] + 1] = True
    x, y = np.round(points).astype(int).T
    return np.asarray(motions.field(motion, mask)[y, x], np.float64)
