"""How many windows a map of features is cut into, and how far positions step in them.

As published, any picture is cut into as many windows, and positions run through each from its one
end to its other. The weights know the windows of the pictures that they were trained with, 320×896
pixels (Sintel's; with Things' 400×720 a translation is found less well). In one of 256×256 windows
are narrower, positions step 3.5 times as far from one feature to the next, and matches snap to
whole features, 2 pixels off; in one of 128×128 nothing is found. Fitted to the picture, positions
step as in training, and windows are not cut too small.
"""

from typing import Literal, NamedTuple

from flows.gmflow.config import Scale

Fit = Literal["picture", "published"]


class Side(NamedTuple):
    """Windows along a side of a map."""

    splits: int  # how many
    period: int  # features in which positions run through one turn


Grid = tuple[Side, Side]  # down and across


def grid(scale: Scale, height: int, width: int, fit: Fit) -> Grid:
    """Return the windows of a map of height×width features."""
    match fit:
        case "published":
            down, across = (Side(scale.splits, size // scale.splits) for size in (height, width))
        case "picture":
            down, across = (
                _fitted(scale, size, trained)
                for size, trained in zip((height, width), scale.trained, strict=True)
            )
    return down, across


def _fitted(scale: Scale, size: int, trained: int) -> Side:
    """Halve the windows while they are large enough; padding makes all halves whole."""
    splits = 1
    while splits < scale.splits and size // (2 * splits) >= scale.smallest:
        splits *= 2
    return Side(splits, max(size // splits, trained))
