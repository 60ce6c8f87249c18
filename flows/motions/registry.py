"""The motions that there are, by name.

Adding one is adding a function here. Its keyword parameters are the words: a `float` is a number,
anything else a list of points; a default makes a word optional, and `cx` and `cy` always are: left
open, they are the middle of what moves. It refuses values out of their range with a ValueError,
and returns what displaces an object's points.
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
