"""An object for a case: a cut-out that suits, at a place that suits."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from experiments import placing
from experiments.material import Material
from experiments.placing import Ask, Placed
from experiments.portable_rng import Chance
from mg_jax.compositing import Scene

_CASTS = 20  # cut-outs tried
_TRIES = 5  # with each: the slender, which go anywhere, would else come most often
_LEAVING = 0.02  # share of an object that may leave the picture


class Drawn(NamedTuple):
    """A scene, and what is seen in it."""

    scene: Scene
    names: Sequence[str]  # of cut-outs


class Cast(NamedTuple):
    """An object, and what it is."""

    name: str
    placed: Placed


def cast(
    chance: Chance,
    material: Material,
    photo: UInt8[np.ndarray, "s s 3"],
    lengths: tuple[float, float],
    ask: Ask,
    suits: Callable[[Cast], bool],
) -> Cast:
    """Draw a cut-out, its place and its motion.

    Args:
        chance: what draws.
        material: where the cut-outs are from.
        photo: what lies behind.
        lengths: least and greatest length of the longer side, in sides of the photo.
        ask: draws a motion.
        suits: whether an object will do.

    Raises:
        ValueError: none does.
    """
    for _ in range(_CASTS):
        name, cutout = chance.pick(material.cutouts)
        scale = chance.between(*lengths) * len(photo) / max(cutout.shape[:2])
        for _ in range(_TRIES):
            for placed in placing.placings(chance, cutout, scale, photo, ask):
                if suits(Cast(name, placed)):
                    return Cast(name, placed)
    raise ValueError("cutouts: cannot be placed; expected others, or other photos")


def stays(object_: Cast, size: int) -> bool:
    """Tell whether an object ends in the picture, but for what none would miss."""
    return bool(placing.outside(object_.placed.goals, 0, size).mean() <= _LEAVING)
