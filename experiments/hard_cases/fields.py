"""Smooth displacements of bodies: C1 and, for the bodies they are drawn for, one-to-one."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64

from flows.motions.types import Points

_PIECES = 512  # of a spine whose course is summed up
_DIGITS = 12  # of sines and cosines, whose last digits differ between machines


@dataclass(frozen=True)
class Hinge:
    """One end of a body turns, or moves aside, against the other; a band between them follows.

    The body bends about its spine, a straight line. "Left" is as one looks along it.

    Attributes:
        x, y: where the spine enters the band, in pixels.
        axis: the spine's direction towards the end that moves, in degrees counter-clockwise.
        band: the band's length along the spine, in pixels.
        reach: how far from the spine the body is bent, in pixels; beyond, it is carried along.
        degrees: the end's turn, counter-clockwise.
        aside: how far the end moves to the left, in pixels.
    """

    x: float
    y: float
    axis: float
    band: float
    reach: float
    degrees: float
    aside: float

    def __call__(self, points: Points) -> Points:
        """Return the displacements of points, in pixels."""
        position, offset = self.split(points)
        inside = np.clip(position, 0, self.band)
        near = np.clip(offset, -self.reach, self.reach)
        # The spine's course, of which the direction is known, in the band.
        course = np.linspace(0, self.band, _PIECES + 1)
        heading = math.radians(self.degrees) * self._weight((course[1:] + course[:-1]) / 2)
        step = self.band / _PIECES
        ahead = np.append(0, np.cumsum(np.cos(heading))) * step
        left = np.append(0, np.cumsum(np.sin(heading))) * step
        weight = self._weight(inside)
        angle = math.radians(self.degrees) * weight
        cosine, sine, beyond = np.cos(angle), np.sin(angle), position - inside
        new_position = np.interp(inside, course, ahead) + beyond * cosine - near * sine
        new_offset = np.interp(inside, course, left) + beyond * sine + near * cosine
        new_offset = new_offset + offset - near + self.aside * weight
        return np.asarray(self.at(new_position, new_offset) - points)

    def moves_whole(self, points: Points) -> Bool[np.ndarray, " n"]:
        """Mark points beyond the band: the end, which moves as a rigid body."""
        return np.asarray(self.split(points)[0] >= self.band)

    def split(self, points: Points) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """Return how far points lie along the spine, and to its left, from (x, y)."""
        cosine, sine = _turn(self.axis)
        right, down = (points - np.array([self.x, self.y])).T
        return right * cosine - down * sine, -right * sine - down * cosine

    def at(self, position: Float64[np.ndarray, " n"], offset: Float64[np.ndarray, " n"]) -> Points:
        """Return the points that lie so far along the spine, and to its left."""
        cosine, sine = _turn(self.axis)
        right, down = position * cosine - offset * sine, -position * sine - offset * cosine
        return np.asarray(np.stack([right, down], axis=-1) + np.array([self.x, self.y]))

    def _weight(self, position: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Rise from 0 to 1 over the band, level at both ends."""
        share = position / self.band
        return np.asarray(share * share * (3 - 2 * share))


@dataclass(frozen=True)
class Relief:
    """A body with depth turns like a head: one side is compressed, the other stretched.

    Its depth falls from the middle of a box to the box's sides, as seen from far away.

    Attributes:
        x, y: the box's middle, in pixels.
        wide, high: half of its sides, in pixels.
        depth: of the middle before the box's left and right sides, in half widths.
        yaw: turn to the right, in degrees.
        pitch: turn down, in degrees.
        dx, dy: what the whole moves on, in pixels.
    """

    x: float
    y: float
    wide: float
    high: float
    depth: float
    yaw: float
    pitch: float
    dx: float
    dy: float

    def __call__(self, points: Points) -> Points:
        """Return the displacements of points, in pixels."""
        right, down = (points - np.array([self.x, self.y])).T
        u, v = right / self.wide, down / self.high
        depth = self.depth * self.wide * (1 - u * u) * (1 - v * v / 2)
        moved = []
        for away, degrees, shift in ((right, self.yaw, self.dx), (down, self.pitch, self.dy)):
            cosine, sine = _turn(degrees)
            moved.append(away * (cosine - 1) + depth * sine + shift)
        return np.stack(moved, axis=-1)


def _turn(degrees: float) -> tuple[float, float]:
    angle = math.radians(degrees)
    return round(math.cos(angle), _DIGITS), round(math.sin(angle), _DIGITS)
