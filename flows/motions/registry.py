"""All motions by name.

To add one, add a function to the table. Its keyword parameters become the words: those annotated
`float` are numbers, others lists of points. A default makes a word optional; `cx` and `cy` always
are, and are by default the centre of what moves. The function raises ValueError for values out of
range, and returns a `Displacement`.
"""

from collections.abc import Callable

from flows.motions import gradual, linear, points
from flows.motions.types import Displacement

MOTIONS: dict[str, Callable[..., Displacement]] = {
    "translate": linear.translate,
    "rotate": linear.rotate,
    "scale": linear.scale,
    "stretch": linear.stretch,
    "grow": gradual.grow,
    "bend": gradual.bend,
    "homography": points.homography,
    "drag": points.drag,
}
