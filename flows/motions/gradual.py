"""Motions that grow from zero at one end of the object to their full size at the other.

The ends are those of the object along an axis, which points from the resting end to the other.
"""

import math

import numpy as np
from jaxtyping import Float

from flows.motions.linear import turn
from flows.motions.types import Displacement, Points, positive


def grow(*, factor: float, along: float) -> Displacement:
    """Stretch along an axis, by 1 at the resting end, rising linearly to `factor` at the other.

    An object L pixels long becomes L·(1 + factor)/2 long. `along` is the direction of the axis in
    degrees: 0 grows to the right, 90 up, -90 down.

    Raises:
        ValueError: the factor is not above 0.
    """
    positive(factor, "factor")
    axis = turn(along)[:, 0]

    def displace(points: Points) -> Points:
        distance, length = _measured(points, axis)
        return np.outer((factor - 1) * distance**2 / (2 * length), axis)

    return displace


def bend(*, degrees: float, along: float, cx: float, cy: float) -> Displacement:
    """Bend an object to an arc: its far end turns by `degrees`, the rest in proportion.

    The spine, the line through (cx, cy) along the axis, keeps its length. `along` is the direction
    of the axis in degrees: 0 bends the right end, 90 the upper, -90 the lower. The displacement
    raises ValueError for an object so wide that its inner side would fold over.
    """
    axis, across = turn(along)[:, 0], turn(along + 90)[:, 0]

    def displace(points: Points) -> Points:
        distance, length = _measured(points, axis)
        offset = (points - np.array([cx, cy])) @ across
        angle = math.radians(degrees) * distance / length
        if (math.radians(degrees) * offset >= length).any():
            raise ValueError(
                f"bends {degrees:g} degrees, and its inner side runs into itself; expected fewer"
                " degrees, or an object that is longer for its width"
            )
        # The spine becomes an arc: (sin a, 1 - cos a) / a times its length, without dividing by a.
        half = np.sinc(angle / (2 * np.pi))
        ahead = distance * half * np.cos(angle / 2) - offset * np.sin(angle)
        aside = distance * half * np.sin(angle / 2) + offset * np.cos(angle)
        return np.outer(ahead - distance, axis) + np.outer(aside - offset, across)

    return displace


def _measured(
    points: Points, axis: Float[np.ndarray, "2"]
) -> tuple[Float[np.ndarray, " n"], float]:
    """Each point's distance along the axis from the resting end, and the whole length: pixels."""
    position = points @ axis
    distance = position - position.min()
    length = float(distance.max())
    if length < 1:
        raise ValueError("has one pixel along its axis; expected an object that is longer")
    return distance, length
