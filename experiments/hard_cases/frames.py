"""What the picture's frame hides or shows: things cut off by it, and pictures that move whole."""

import numpy as np
from jaxtyping import Float, UInt8

from experiments import placing
from experiments.hard_cases.casting import Cast, Drawn, cast
from experiments.material import Material, crop
from experiments.placing import Ask
from experiments.portable_rng import Chance
from flows import motions
from flows.motions.types import Points
from mg_jax.compositing import Layer, Place, Scene, compose, steady

_ROOM = 0.25  # of a side: the photo that is there beyond each border of the frame
_HIDDEN = 0.2, 0.6  # share of an object that the frame cuts off
_PANS = 0.1, 0.35  # of a side
_IN, _OUT = (1.2, 1.6), (0.6, 0.85)  # factors
_RIM = 2  # pixels beyond the frame, for sampling


def cut_off(chance: Chance, material: Material, size: int) -> Drawn:
    """Move an object inwards of which the frame shows a part; what it hides has no flow."""
    room = int(_ROOM * size)
    photo = crop(chance, chance.pick(material.photos), size + 2 * room)

    def suits(one: Cast) -> bool:
        hidden = placing.outside(one.placed.points - room, 0, size).mean()
        whole = not placing.outside(one.placed.goals - room, 3, size).any()
        return bool(_HIDDEN[0] < hidden < _HIDDEN[1] and whole)

    one = cast(chance, material, photo, (0.3, 0.5), _inwards(size, room), suits)
    scene = compose(photo, [one.placed.layer])
    frame = np.s_[room : room + size, room : room + size]
    return Drawn(Scene(*(part[frame] for part in scene)), [one.name])


def pan(chance: Chance, material: Material, size: int) -> Drawn:
    """Move the whole picture."""
    while True:
        shift = np.array([chance.between(-_PANS[1], _PANS[1]) * size for _ in range(2)])
        if _PANS[0] * size < float(np.hypot(*shift)) < _PANS[1] * size:
            return _whole(chance, material, size, 1, shift)


def zoom(chance: Chance, material: Material, size: int) -> Drawn:
    """Enlarge or shrink the whole picture about a point in it."""
    factor = chance.between(*(_IN if chance.happens(0.5) else _OUT))
    centre = np.array([chance.between(0.2, 0.8) * size for _ in range(2)])
    return _whole(chance, material, size, factor, (1 - factor) * centre)


def _inwards(size: int, room: int) -> Ask:
    """Move an object to where it is whole in the frame; perhaps turn it a little."""

    def ask(chance: Chance, points: Points) -> motions.MotionSpec:
        low, high = points.min(axis=0), points.max(axis=0)
        share = np.array([chance.between(0.1, 0.9), chance.between(0.1, 0.9)])
        dx, dy = room + share * (size - (high - low)) - low
        turn = f"rotate degrees={chance.between(-30, 30):g}; " if chance.happens(0.3) else ""
        return motions.parse(f"{turn}translate dx={dx:.2f} dy={dy:.2f}")

    return ask


def _whole(
    chance: Chance, material: Material, size: int, factor: float, shift: Float[np.ndarray, "2"]
) -> Drawn:
    """Take each point p of a photo that is larger than the frame to factor·p + shift."""
    photo = chance.pick(material.photos)
    if chance.happens(0.5):
        photo = photo[:, ::-1]
    sides = np.array([photo.shape[1], photo.shape[0]])
    # What the answer shows lies here in the source, in part outside the frame: all is photo.
    low, high = np.minimum(0, -shift / factor), np.maximum(size, (size - shift) / factor)
    scale = float(((high - low + 2 * _RIM) / sides).max()) * chance.between(1, 1.15)
    slack = scale * sides - (high - low) - 2 * _RIM
    corner = low - _RIM - slack * [chance.between(0, 1), chance.between(0, 1)]
    middle = corner + scale * sides / 2
    pixels = np.stack(np.meshgrid(np.arange(size), np.arange(size)), axis=-1)
    flow = ((factor - 1) * pixels + shift).astype(np.float32)
    before, after = (
        _view(photo, Place(float(x), float(y), scale * by), size)
        for (x, y), by in ((middle, 1), (factor * middle + shift, factor))
    )
    return Drawn(Scene(before, steady(flow), after, np.ones((size, size), np.int32)), [])


def _view(
    photo: UInt8[np.ndarray, "H W 3"], place: Place, size: int
) -> UInt8[np.ndarray, "{size} {size} 3"]:
    """Draw a photo that reaches beyond the frame."""
    opaque = np.dstack([photo, np.full(photo.shape[:2], 255, np.uint8)])
    return compose(np.zeros((size, size, 3), np.uint8), [Layer(opaque, place)]).source
