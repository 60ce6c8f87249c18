"""Whole objects with motions that are hard: much larger, much smaller, turned round, in the way."""

from collections.abc import Callable
from functools import partial

import numpy as np

from experiments import placing, random_motions
from experiments.hard_cases.casting import Cast, Drawn, cast, stays
from experiments.material import Material, crop
from experiments.placing import Ask
from experiments.portable_rng import Chance
from flows import masks, motions
from flows.motions.types import Points
from mg_jax.compositing import compose

_COVERED = 0.2, 0.6  # share of the smaller that the other lies on, or under
_MEETING = 0.3, 0.7  # where two objects meet, in sides of the picture
_MISSING = 0.12  # by how much the middles may miss each other, in sides of the picture
_FAR = 0.15  # how far each goes at least, in sides of the picture
_TRIES = 20  # to place two that meet


def enlarge5(chance: Chance, material: Material, size: int) -> Drawn:
    """Enlarge a small object three to five times."""
    return _alone(chance, material, size, "enlarge", (0.1, 0.18))


def shrink5(chance: Chance, material: Material, size: int) -> Drawn:
    """Shrink a large object to a fifth to a third."""
    return _alone(chance, material, size, "shrink", (0.5, 0.75))


def half_turn(chance: Chance, material: Material, size: int) -> Drawn:
    """Turn an object by 120 to 180 degrees."""
    return _alone(chance, material, size, "half_turn", (0.25, 0.5))


def crossing(chance: Chance, material: Material, size: int) -> Drawn:
    """Let two objects come from different sides to one place: the second lies on the first."""
    photo = crop(chance, chance.pick(material.photos), size)
    for _ in range(_TRIES):
        ask = _towards(chance.between(*_MEETING) * size, chance.between(*_MEETING) * size, size)

        def draw(suits: Callable[[Cast], bool], ask: Ask = ask) -> Cast:
            return cast(chance, material, photo, (0.22, 0.42), ask, suits)

        first = draw(lambda one: _comes(one, size))
        try:
            second = draw(partial(_meets, first, size))
        except ValueError:  # nothing goes with this first one
            continue
        scene = compose(photo, [first.placed.layer, second.placed.layer])
        one, other = (
            masks.destination(np.where((scene.order == layer)[..., None], scene.flow, 0))
            for layer in (1, 2)
        )
        # In cells, what is open, as a bicycle, covers more than it does.
        if (one & other).sum() > _COVERED[0] * min(one.sum(), other.sum()):
            return Drawn(scene, [first.name, second.name])
    raise ValueError("cutouts: no two meet; expected others, or other photos")


def _alone(
    chance: Chance, material: Material, size: int, kind: str, lengths: tuple[float, float]
) -> Drawn:
    photo = crop(chance, chance.pick(material.photos), size)
    ask = random_motions.asked(kind, size)
    one = cast(chance, material, photo, lengths, ask, lambda one: stays(one, size))
    return Drawn(compose(photo, [one.placed.layer]), [one.name])


def _towards(x: float, y: float, size: int) -> Ask:
    """Move an object's middle to a place, or near it; perhaps turn it a little."""

    def ask(chance: Chance, points: Points) -> motions.MotionSpec:
        middle = (points.min(axis=0) + points.max(axis=0)) / 2
        miss = np.array([chance.between(-1, 1), chance.between(-1, 1)]) * _MISSING * size
        dx, dy = np.array([x, y]) + miss - middle
        turn = f"rotate degrees={chance.between(-25, 25):g}; " if chance.happens(0.4) else ""
        return motions.parse(f"{turn}translate dx={dx:.2f} dy={dy:.2f}")

    return ask


def _comes(one: Cast, size: int) -> bool:
    return stays(one, size) and placing.way(one.placed) > _FAR * size


def _meets(first: Cast, size: int, second: Cast) -> bool:
    """Whether an object is apart from another, and comes from elsewhere to lie on a part of it."""
    if first.name == second.name or not _comes(second, size):
        return False
    here, there = (placing.cells(one.placed.points, size) for one in (first, second))
    one, other = (placing.cells(cast.placed.goals, size) for cast in (first, second))
    covered = (one & other).sum()
    share = covered / min(one.sum(), other.sum())
    ways = [(cast.placed.goals - cast.placed.points).mean(axis=0) for cast in (first, second)]
    cosine = ways[0] @ ways[1] / np.linalg.norm(ways[0]) / np.linalg.norm(ways[1])
    return bool(
        not (here & there).any()
        and _COVERED[0] < share < _COVERED[1]
        and covered < _COVERED[1] * one.sum()
        and cosine < 0.5
    )
