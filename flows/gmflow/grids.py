"""How many windows a feature map is cut into, and how far the position encoding steps in them.

As published (`"published"`), every picture is cut into the same number of windows, and positions
run from one end of each window to the other. But the weights are used to the windows of the
pictures that they were trained on, 320×896 pixels (Sintel's; with the windows of Things' 400×720 a
translation is found less well). In a 256×256 picture windows are narrower, positions step 3.5 times
as far from one feature to the next, and matches snap to whole features, 2 pixels off; in a 128×128
picture nothing is found. With `"picture"`, positions step as in training, and windows are not cut
too small.
"""

from typing import Literal, NamedTuple

from flows.gmflow.config import Scale

Fit = Literal["picture", "published"]


class Side(NamedTuple):
    """Windows along a side of a map."""

    splits: int  # how many
    period: int  # features over which the shortest wave of the position encoding turns once


Grid = tuple[Side, Side]  # vertical and horizontal


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
    """Split a side of `size` features as often as windows stay large enough.

    The image is padded so that every split is even.
    """
    splits = 1
    while splits < scale.splits and size // (2 * splits) >= scale.smallest:
        splits *= 2
    return Side(splits, max(size // splits, trained))
