"""A motion as a hand sees it: what was done before, then stretched, scaled, turned and moved.

Handles change the last four steps, which commute as long as they share a centre: an object that is
moved turns about itself. Whatever stands before them is left as it is.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from flows import motions
from flows.motions import MotionSpec, Step, linear
from flows.motions.types import Points
from mg_jax.interactive.mesh import Mesh

_ORDER = ("translate", "rotate", "scale", "stretch")  # from the last to the first
_CENTRE = ("cx", "cy")
_DEFAULTS = {"dx": 0.0, "dy": 0.0, "degrees": 0.0, "x": 1.0, "y": 1.0}
_LEAST = 0.01  # least factor that a handle writes


class Pose(NamedTuple):
    """A motion's steps, apart."""

    before: tuple[Step, ...] = ()
    x: float = 1.0  # factors along the object's own axes
    y: float = 1.0
    factor: float = 1.0
    degrees: float = 0.0
    dx: float = 0.0
    dy: float = 0.0
    pivot: tuple[float, float] | None = None  # before the move; None: the object's middle

    @property
    def linear(self) -> Float64[np.ndarray, "2 2"]:
        """The matrix of stretching, scaling and turning."""
        turned = linear.turn(self.degrees)
        return np.asarray(turned @ np.diag([self.x * self.factor, self.y * self.factor]))

    @property
    def move(self) -> Float64[np.ndarray, "2"]:
        """How far it is moved, in pixels."""
        return np.array([self.dx, self.dy])

    def steps(self) -> tuple[Step, ...]:
        """The motion's steps; what does nothing is left out."""
        centre: dict[str, float] = {}
        if self.pivot is not None:
            centre = dict(zip(_CENTRE, (_round(one, 1) for one in self.pivot), strict=True))
        made: list[Step] = []
        x, y, factor = (max(_LEAST, _round(one, 3)) for one in (self.x, self.y, self.factor))
        degrees, dx, dy = _round(self.degrees, 1), _round(self.dx, 1), _round(self.dy, 1)
        if (x, y) != (1, 1):
            made.append(Step("stretch", {"x": x, "y": y, **centre}))
        if factor != 1:
            made.append(Step("scale", {"factor": factor, **centre}))
        if degrees or (centre and not made):  # a pivot is kept by a step that turns by nothing
            made.append(Step("rotate", {"degrees": degrees, **centre}))
        if (dx, dy) != (0, 0):
            made.append(Step("translate", {"dx": dx, "dy": dy}))
        return (*self.before, *made)

    def words(self) -> str:
        """The motion in words; empty if it does nothing."""
        steps = self.steps()
        return motions.say(MotionSpec(steps)) if steps else ""


class Placed(NamedTuple):
    """A pose of an object."""

    pose: Pose
    before: Float64[np.ndarray, "n 2"]  # the mesh's points after the steps before
    pivot: Float64[np.ndarray, "2"]  # before the move

    def put(self, points: Float64[np.ndarray, "*n 2"]) -> Float64[np.ndarray, "*n 2"]:
        """Stretch, scale, turn and move points as the pose does."""
        pose = self.pose
        return np.asarray((points - self.pivot) @ pose.linear.T + self.pivot + pose.move)

    def taken_back(self, points: Float64[np.ndarray, "*n 2"]) -> Float64[np.ndarray, "*n 2"]:
        """The inverse of `put`."""
        pose = self.pose
        back = np.linalg.inv(pose.linear)
        return np.asarray((points - self.pivot - pose.move) @ back.T + self.pivot)

    @property
    def corners(self) -> Float64[np.ndarray, "4 2"]:
        """Corners of the object's frame before the pose: upper left, clockwise."""
        last = self.pose.before[-1] if self.pose.before else None
        if last is not None and last.name == "homography":
            return np.asarray(last.parameters["to"])
        (left, top), (right, bottom) = self.before.min(axis=0), self.before.max(axis=0)
        return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


def split(words: str) -> Pose:
    """Take a motion apart; empty words are a pose that does nothing.

    Raises:
        ValueError: as `motions.parse`.
    """
    if not words.strip():
        return Pose()
    steps = list(motions.parse(words).steps)
    pose, centred = Pose(), False
    for name in _ORDER:
        if not steps or steps[-1].name != name:
            continue
        given = steps[-1].parameters
        if name == "translate":
            pose = pose._replace(dx=_of(given, "dx"), dy=_of(given, "dy"))
            steps.pop()
            continue
        if len(given.keys() & set(_CENTRE)) == 1:
            break
        centre = (_of(given, "cx"), _of(given, "cy")) if "cx" in given else None
        if centred and centre != pose.pivot:
            break
        if name == "stretch" and _of(given, "degrees"):
            break
        pose, centred = pose._replace(pivot=centre), True
        if name == "rotate":
            pose = pose._replace(degrees=_of(given, "degrees"))
        elif name == "scale":
            pose = pose._replace(factor=_of(given, "factor"))
        else:
            pose = pose._replace(x=_of(given, "x"), y=_of(given, "y"))
        steps.pop()
    return pose._replace(before=tuple(steps))


def placed(mesh: Mesh, pose: Pose) -> Placed:
    """Place an object.

    Raises:
        ValueError: as `Mesh.moved`.
    """
    points = mesh.moved(pose.before)
    pivot = mesh.centre(pose.before) if pose.pivot is None else np.array(pose.pivot)
    return Placed(pose, points, pivot)


def _of(parameters: dict[str, float | Points], name: str) -> float:
    value = parameters.get(name, _DEFAULTS.get(name))
    assert isinstance(value, float)
    return value


def _round(value: float, digits: int) -> float:
    return round(float(value), digits) + 0.0  # no -0
