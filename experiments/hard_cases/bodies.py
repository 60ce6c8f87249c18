"""Bodies that bend and turn, of which the flow that is given says less than the truth."""

import math

import numpy as np
import scipy.ndimage
from jaxtyping import Bool, Float, Float32, Int32

from experiments.hard_cases.casting import Cast, Drawn, cast, stays
from experiments.hard_cases.fields import Hinge, Relief
from experiments.material import Material, crop
from experiments.portable_rng import Chance
from flows import masks, nearest
from flows.motions.types import Points
from mg_jax.compositing import compose, steady

_WHOLE = 0.97  # share of what is one piece that its largest piece has
_LONG = 1.25  # length of what is bent, in widths
_SLOPE = 0.6  # of the body in the joint: 1 would fold it
_PART = 0.3, 0.65  # share of the length that moves
_PATCHES = 24  # of an estimated flow, each with an error of its own
_ERROR = 1.0, 2.0  # pixels


def part(chance: Chance, material: Material, size: int) -> Drawn:
    """Turn or move one end of a body, whose joint follows; the flow says only how the end moves.

    The flow stops at a straight cut through the body. Beyond it the answer bends over a band, and
    then rests.
    """
    photo = crop(chance, chance.pick(material.photos), size)

    def suits(one: Cast) -> bool:
        return stays(one, size) and _hangs_together(one)

    one = cast(chance, material, photo, (0.45, 0.75), _hinge, suits)
    scene = compose(photo, [one.placed.layer])
    hinge = one.placed.layer.motion
    assert isinstance(hinge, Hinge)
    y, x = np.nonzero(scene.order)
    end = np.zeros_like(scene.order, bool)
    end[y, x] = hinge.moves_whole(np.stack([x, y], axis=-1).astype(np.float64))
    flow = np.where(end[..., None], scene.flow, np.float32(0))
    return Drawn(scene._replace(flow=flow, order=end.astype(np.int32)), [one.name])


def transfer(chance: Chance, material: Material, size: int) -> Drawn:
    """Turn a body like a head, by a flow as networks estimate it.

    Each patch of the flow is wrong by one to two pixels, and what the body comes to cover moves
    with it.
    """
    photo = crop(chance, chance.pick(material.photos), size)

    def ask(chance: Chance, points: Points) -> Relief:
        return _turned(chance, points, size)

    one = cast(chance, material, photo, (0.4, 0.7), ask, lambda one: stays(one, size))
    scene = compose(photo, [one.placed.layer])
    flow, order = _estimated(chance, scene.flow, scene.order)
    return Drawn(scene._replace(flow=flow, order=order), [one.name])


def _hangs_together(one: Cast) -> bool:
    """Whether an object is one piece: a ball beside a racquet would bend with it."""
    pieces, _ = scipy.ndimage.label(one.placed.layer.cutout[..., 3] > 127)
    sizes = np.bincount(pieces.ravel())[1:]
    return bool(sizes.max() > _WHOLE * sizes.sum())


def _hinge(chance: Chance, points: Points) -> Hinge:
    """Draw how one end of an object turns, or moves, against the other."""
    middle = points.mean(axis=0)
    (xx, xy), (_, yy) = np.cov((points - middle).T)
    degrees = round(-math.degrees(math.atan2(2 * xy, xx - yy)) / 2, 1) + chance.pick((0, 180))
    turn, shift = 0.0, 0.0
    if chance.happens(0.7):
        turn = chance.between(18, 40) * chance.pick((-1, 1))
    else:
        shift = chance.between(0.1, 0.18) * chance.pick((-1, 1))
    x, y = np.round(middle, 1).tolist()
    spine = Hinge(x, y, degrees, band=1.0, reach=1.0, degrees=0.0, aside=0.0)
    along, across = spine.split(points)
    length, width = float(np.ptp(along)), float(np.ptp(across))
    if length < _LONG * width:
        raise ValueError("is too round to bend; expected something long")
    cut = float(along.max()) - chance.between(*_PART) * length
    # The steepest slope over a band is 1.5 times the mean one.
    near = (along < cut) & (along > cut - length / 2)
    if not near.any():
        raise ValueError("has a gap; expected something that hangs together")
    reach = float(np.abs(across[near] - across[near].mean()).max())
    aside = shift * length
    band = 1.5 / _SLOPE * (math.radians(abs(turn)) * reach + abs(aside))
    if cut - band < along.min() + 0.1 * length:
        raise ValueError("is too short to bend; expected something longer, or a smaller turn")
    joint = spine.at(np.array([cut - band]), across[near].mean(keepdims=True))[0]
    x, y, band, reach, aside = np.round([*joint, band, reach, aside], 1).tolist()
    return Hinge(x, y, degrees, band, reach, turn, aside)


def _turned(chance: Chance, points: Points, size: int) -> Relief:
    """Draw how an object turns to a side, and up or down a little."""
    low, high = points.min(axis=0), points.max(axis=0)
    x, y, wide, high_ = (float(v) for v in np.round([*(low + high) / 2, *(high - low) / 2], 1))
    yaw = chance.between(14, 26) * chance.pick((-1, 1))
    pitch = chance.between(-8, 8)
    shift = chance.between(-0.05, 0.05) * size, chance.between(-0.05, 0.05) * size
    return Relief(x, y, wide, high_, chance.between(0.6, 0.8), yaw, pitch, *shift)


def _estimated(
    chance: Chance, flow: Float32[np.ndarray, "h w 2"], order: Int32[np.ndarray, "h w"]
) -> tuple[Float32[np.ndarray, "h w 2"], Int32[np.ndarray, "h w"]]:
    """Spoil a flow as estimates are spoilt."""
    covered = masks.destination(flow) & (order == 0)
    row, column = nearest.place(order > 0)
    there: Bool[np.ndarray, "h w"] = covered | (order > 0)
    spoilt = flow[row, column] + _errors(chance, there)
    kept = np.where(there[..., None], spoilt, 0).astype(np.float32)
    return steady(kept), there.astype(np.int32)


def _errors(chance: Chance, where: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, "h w 2"]:
    """Draw errors of a flow: patches round random places, each with its own."""
    places = np.argwhere(where)
    centres = [places[chance.pick(range(len(places)))] for _ in range(_PATCHES)]
    errors = []
    for _ in range(_PATCHES):
        angle, length = math.radians(chance.between(0, 360)), chance.between(*_ERROR)
        errors.append((length * math.cos(angle), length * math.sin(angle)))
    y, x = np.mgrid[: where.shape[0], : where.shape[1]]
    away = [(y - row) ** 2 + (x - column) ** 2 for row, column in centres]
    return np.asarray(np.array(errors)[np.argmin(away, axis=0)])
