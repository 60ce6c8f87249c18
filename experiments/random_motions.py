"""Random motions of an object, in the words of `flows.motions`."""

from collections.abc import Callable
from typing import NamedTuple

from experiments.portable_rng import Chance
from flows import motions
from flows.motions.types import Points


class Extent(NamedTuple):
    """An object's upright box, (x, y) of its first and last corner, and the picture's side."""

    low: list[float]
    high: list[float]
    picture: float

    @property
    def x(self) -> float:
        """The box's middle."""
        return (self.low[0] + self.high[0]) / 2

    @property
    def y(self) -> float:
        """The box's middle."""
        return (self.low[1] + self.high[1]) / 2

    @property
    def width(self) -> float:
        """The box's width."""
        return self.high[0] - self.low[0]

    @property
    def height(self) -> float:
        """The box's height."""
        return self.high[1] - self.low[1]


def draw(chance: Chance, kind: str, extent: Extent) -> str:
    """Draw a motion of a kind (a key of `KINDS`) for an object. It may leave the picture."""
    return KINDS[kind](chance, extent)


def asked(kind: str, picture: float) -> Callable[[Chance, Points], motions.MotionSpec]:
    """Return what draws a motion of a kind for the points of an object in a picture this wide."""

    def ask(chance: Chance, points: Points) -> motions.MotionSpec:
        low, high = points.min(axis=0).tolist(), points.max(axis=0).tolist()
        return motions.parse(draw(chance, kind, Extent(low, high, picture)))

    return ask


def translate(chance: Chance, extent: Extent) -> str:
    """Move by an eighth to half of the picture's side."""
    return _shift(chance, 0.5 * extent.picture, 0.12 * extent.picture)


def rotate(chance: Chance, extent: Extent) -> str:
    """Turn about the middle, or about a point of the box; perhaps move on."""
    degrees = chance.between(20, 110) * _side(chance)
    words = f"rotate degrees={degrees:g}"
    if chance.happens(0.3):
        cx = extent.x + chance.between(-0.5, 0.5) * extent.width
        cy = extent.y + chance.between(-0.5, 0.5) * extent.height
        return f"{words} cx={cx:.2f} cy={cy:.2f}"
    return _moved_on(chance, extent, words)


def scale(chance: Chance, extent: Extent) -> str:
    """Enlarge or shrink; perhaps move on."""
    return _moved_on(chance, extent, f"scale factor={_factor(chance):g}")


def stretch(chance: Chance, extent: Extent) -> str:
    """Scale along an axis of any direction; perhaps move on."""
    words = f"stretch x={_factor(chance):g} degrees={chance.between(0, 180):g}"
    return _moved_on(chance, extent, words)


def homography(chance: Chance, extent: Extent) -> str:
    """Move the box's corners, each by up to a fifth of the sides, and all together."""
    shift = chance.between(-0.15, 0.15), chance.between(-0.15, 0.15)
    corners, goals = [], []
    for right, down in ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)):
        corners.append((extent.x + right * extent.width, extent.y + down * extent.height))
        goals.append(
            (
                extent.x
                + (right + chance.between(-0.2, 0.2)) * extent.width
                + shift[0] * extent.picture,
                extent.y
                + (down + chance.between(-0.2, 0.2)) * extent.height
                + shift[1] * extent.picture,
            )
        )
    return f"homography from={_points(corners)} to={_points(goals)}"


def bend(chance: Chance, extent: Extent) -> str:
    """Bend one end of the longer side."""
    return f"bend degrees={chance.between(25, 60) * _side(chance):g} along={_end(chance, extent)}"


def grow(chance: Chance, extent: Extent) -> str:
    """Stretch one end of the longer side."""
    return f"grow factor={chance.between(1.5, 2.2):g} along={_end(chance, extent)}"


def enlarge(chance: Chance, extent: Extent) -> str:
    """Enlarge three to five times; perhaps move on."""
    return _moved_on(chance, extent, f"scale factor={chance.between(3, 5):g}")


def shrink(chance: Chance, extent: Extent) -> str:
    """Shrink to a fifth to a third; perhaps move on."""
    return _moved_on(chance, extent, f"scale factor={chance.between(0.2, 0.35):g}")


def half_turn(chance: Chance, extent: Extent) -> str:
    """Turn by 120 to 180 degrees; perhaps move on."""
    degrees = chance.between(120, 180) * _side(chance)
    return _moved_on(chance, extent, f"rotate degrees={degrees:g}")


KINDS = {
    "translate": translate,
    "rotate": rotate,
    "scale": scale,
    "stretch": stretch,
    "homography": homography,
    "bend": bend,
    "grow": grow,
    "enlarge": enlarge,
    "shrink": shrink,
    "half_turn": half_turn,
}


def _factor(chance: Chance) -> float:
    return chance.between(1.25, 1.7) if chance.happens(0.6) else chance.between(0.55, 0.8)


def _side(chance: Chance) -> int:
    return chance.pick((-1, 1))


def _end(chance: Chance, extent: Extent) -> int:
    return chance.pick((0, 180)) if extent.width > extent.height else chance.pick((90, -90))


def _shift(chance: Chance, most: float, least: float = 0.0) -> str:
    while True:
        dx, dy = chance.between(-most, most), chance.between(-most, most)
        if least <= (dx * dx + dy * dy) ** 0.5 <= most:
            return f"translate dx={dx:.2f} dy={dy:.2f}"


def _moved_on(chance: Chance, extent: Extent, words: str) -> str:
    if chance.happens(0.5):
        return words
    return f"{words}; {_shift(chance, 0.3 * extent.picture)}"


def _points(points: list[tuple[float, float]]) -> str:
    return "/".join(f"{x:.2f},{y:.2f}" for x, y in points)
