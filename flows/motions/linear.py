"""Affine motions: straight lines stay straight and parallel lines parallel."""

import math

import numpy as np
from jaxtyping import Float64

from flows.motions.types import Displacement, Points, positive


def translate(*, dx: float = 0.0, dy: float = 0.0) -> Displacement:
    """Move by (dx, dy) pixels."""
    return lambda points: np.broadcast_to(np.array([dx, dy]), points.shape)


def rotate(*, degrees: float, cx: float, cy: float) -> Displacement:
    """Turn about (cx, cy); positive is counter-clockwise as seen on the screen."""
    return _about(turn(degrees), cx, cy)


def scale(*, factor: float, cx: float, cy: float) -> Displacement:
    """Enlarge (factor above 1) or shrink about (cx, cy).

    Raises:
        ValueError: the factor is not above 0.
    """
    positive(factor, "factor")
    return _about(factor * np.eye(2), cx, cy)


def stretch(
    *, x: float = 1.0, y: float = 1.0, degrees: float = 0.0, cx: float, cy: float
) -> Displacement:
    """Scale by `x` and `y` along two axes: those of x and y, turned counter-clockwise by `degrees`.

    Raises:
        ValueError: a factor is not above 0.
    """
    positive(x, "x")
    positive(y, "y")
    axes = turn(degrees)
    return _about(axes @ np.diag([x, y]) @ axes.T, cx, cy)


def turn(degrees: float) -> Float64[np.ndarray, "2 2"]:
    """Rotation matrix for (x, y), counter-clockwise as seen on a screen whose y points down."""
    angle = math.radians(degrees)
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.array([[cosine, sine], [-sine, cosine]])


def _about(matrix: Float64[np.ndarray, "2 2"], cx: float, cy: float) -> Displacement:
    """The displacement of a linear map with (cx, cy) as its fixed point."""

    def displace(points: Points) -> Points:
        return np.asarray((points - np.array([cx, cy])) @ (matrix - np.eye(2)).T)

    return displace
