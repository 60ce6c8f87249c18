"""Handles on an object: where they are, and the words that dragging one writes.

A drag is told as where it began (the words then) and where the handle is to be, so that it can be
repeated with every move of the hand and adds up no rounding.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from flows import motions
from flows.motions import MotionSpec, Step, linear
from mg_jax.interactive import pose as poses
from mg_jax.interactive.mesh import Mesh
from mg_jax.interactive.pose import Placed

Point = Float64[np.ndarray, "2"]

MODES = ("transform", "perspective", "grow", "bend", "points")
_CORNERS = ("nw", "ne", "se", "sw")
_SIDES = {"n": (0, 1), "e": (1, 2), "s": (2, 3), "w": (3, 0)}
_NAMES = {"n": "upper", "e": "right", "s": "lower", "w": "left"}
_SNAP = 15.0  # degrees
_LEAST = 0.02  # least factor that a drag reaches
_MOST_BEND = 300.0  # degrees
_OUT = 0.14  # of the frame's height: how far out the turning handle is
_ALONG = 90.0  # degrees: objects grow and bend at their upper end, until told otherwise


class Handle(NamedTuple):
    """A place that can be dragged."""

    name: str
    label: str  # for people
    x: float  # pixels of the photo
    y: float


def handles(mesh: Mesh, words: str, mode: str) -> list[Handle]:
    """List the handles of an object with a motion, for one of `MODES`.

    Raises:
        ValueError: the words cannot be parsed, or do not suit the object.
    """
    placed = poses.placed(mesh, poses.split(words))
    found = [_at("move", "move", placed.put(placed.corners.mean(axis=0)))]
    return found + _IN_MODE[mode](mesh, placed)


def dragged(mesh: Mesh, words: str, mode: str, name: str, to: Point, *, snap: bool = False) -> str:
    """Write the words of a motion whose handle `name` is dragged to `to`.

    Args:
        mesh: of the object.
        words: its motion when the drag began.
        mode: one of `MODES`.
        name: of a handle; "add" in the mode "points" puts a new one at `to`, "remove-0" takes one
            away.
        to: (x, y) in pixels.
        snap: turn by whole fifteens of degrees; move along one axis only.

    Raises:
        ValueError: there is no such handle, or the words do not suit the object.
    """
    placed = poses.placed(mesh, poses.split(words))
    if name == "move":
        return _moved(placed, to - placed.put(placed.corners.mean(axis=0)), snap)
    return _DRAGS[mode](mesh, placed, name, to, snap)


def _moved(placed: Placed, by: Point, snap: bool) -> str:
    if snap:
        by = by * (np.abs(by) == np.abs(by).max())
    pose = placed.pose
    dx, dy = np.round(pose.move + by).tolist()
    return pose._replace(dx=dx, dy=dy).words()


def _frame(_mesh: Mesh, placed: Placed) -> list[Handle]:
    """Corners, sides, the turning handle and the pivot."""
    corners = placed.put(placed.corners)
    found = [
        _at(name, f"scale at the {_corner(name)} corner", corner)
        for name, corner in zip(_CORNERS, corners, strict=True)
    ]
    for name, (one, other) in _SIDES.items():
        label = f"stretch at the {_NAMES[name]} side"
        found.append(_at(name, label, (corners[one] + corners[other]) / 2))
    found.append(_at("rotate", "turn", _outer(placed)))
    found.append(_at("pivot", "pivot", placed.pivot + placed.pose.move))
    return found


def _outer(placed: Placed) -> Point:
    """The turning handle, beyond the upper side."""
    corners = placed.corners
    upper, lower = corners[:2].mean(axis=0), corners[2:].mean(axis=0)
    up, down = placed.put(upper), placed.put(lower)
    length = max(1.0, float(np.linalg.norm(up - down)))
    return np.asarray(up + (up - down) / length * max(24.0, _OUT * length))


def _drag_frame(mesh: Mesh, placed: Placed, name: str, to: Point, snap: bool) -> str:
    pose = placed.pose
    centre = placed.pivot + pose.move
    here = {handle.name: np.array([handle.x, handle.y]) for handle in _frame(mesh, placed)}
    if name not in here:
        raise ValueError(f"handle: {name!r}; expected one of {', '.join(here)}")
    start = here[name]
    if name == "rotate":
        degrees = pose.degrees + _angle(to - centre) - _angle(start - centre)
        degrees = (degrees + 180) % 360 - 180
        return pose._replace(degrees=_SNAP * round(degrees / _SNAP) if snap else degrees).words()
    if name == "pivot":
        pivot = placed.taken_back(to)  # what is there stays there, so that nothing jumps
        move = to - pivot
        return pose._replace(pivot=(pivot[0], pivot[1]), dx=move[0], dy=move[1]).words()
    if name in _CORNERS:
        arm = start - centre
        ratio = float((to - centre) @ arm / max(1e-6, float(arm @ arm)))
        return pose._replace(factor=pose.factor * max(_LEAST, ratio)).words()
    back = np.linalg.inv(pose.linear)
    axis = 0 if name in ("e", "w") else 1
    arm, goal = (back @ (start - centre))[axis], (back @ (to - centre))[axis]
    ratio = max(_LEAST, float(goal / arm)) if abs(arm) > 1e-6 else 1.0
    return (
        pose._replace(x=pose.x * ratio) if axis == 0 else pose._replace(y=pose.y * ratio)
    ).words()


def _perspective(_mesh: Mesh, placed: Placed) -> list[Handle]:
    corners = placed.put(placed.corners)
    return [
        _at(name, f"perspective at the {_corner(name)} corner", corner)
        for name, corner in zip(_CORNERS, corners, strict=True)
    ]


def _drag_perspective(_mesh: Mesh, placed: Placed, name: str, to: Point, _snap: bool) -> str:
    """Drag a corner alone: the object is seen as a plane. A plane that is there already is bent."""
    if name not in _CORNERS:
        raise ValueError(f"handle: {name!r}; expected one of {', '.join(_CORNERS)}")
    pose = placed.pose
    corners = placed.put(placed.corners)
    goal = corners.copy()
    goal[_CORNERS.index(name)] = to
    last = pose.before[-1] if pose.before else None
    plain = np.array_equal(pose.linear, np.eye(2))
    if last is not None and last.name == "homography" and plain:
        before, from_ = pose.before[:-1], last.parameters["from_"]
    else:
        before, from_ = pose.steps(), np.round(corners, 1)
    return _said(*before, Step("homography", {"from_": from_, "to": np.round(goal, 1)}))


def _gradual(kind: str) -> Callable[[Mesh, Placed], list[Handle]]:
    """The tip of an object that grows or bends, and its other end."""

    def found(mesh: Mesh, placed: Placed) -> list[Handle]:
        spine = _spine(kind, mesh, placed)
        return [
            _at("tip", f"{kind}: drag the end", placed.put(spine.tip)),
            _at("axis", f"{kind}: the end that rests", placed.put(spine.root)),
        ]

    return found


class _Spine(NamedTuple):
    """The line along which an object grows or bends, before the pose."""

    before: tuple[Step, ...]  # the steps before
    root: Point  # its end that rests
    tip: Point  # its other end, after the step
    length: float  # before the step, pixels
    along: float  # degrees
    size: float  # factor, or degrees, of the step; 1 or 0 if there is none yet


def _spine(kind: str, mesh: Mesh, placed: Placed, along: float | None = None) -> _Spine:
    steps = placed.pose.before
    size, before = (1.0 if kind == "grow" else 0.0), steps
    asked = _ALONG
    if steps and steps[-1].name == kind:
        before, given = steps[:-1], steps[-1].parameters
        asked = float(given["along"])
        size = float(given["factor" if kind == "grow" else "degrees"])
    asked = asked if along is None else along
    axis = linear.turn(asked)[:, 0]
    points, centre = mesh.moved(before), mesh.centre(before)
    low, high = float((points @ axis).min()), float((points @ axis).max())
    length = max(1.0, high - low)
    root = centre + (low - centre @ axis) * axis
    if kind == "grow":
        tip = root + (length + (size - 1) * length / 2) * axis
    else:
        half = math.radians(size) / 2
        chord = length * np.sinc(half / np.pi)
        tip = root + chord * linear.turn(asked + size / 2)[:, 0]
    return _Spine(before, root, np.asarray(tip), length, asked, size)


def _drag_gradual(kind: str) -> Callable[[Mesh, Placed, str, Point, bool], str]:
    def drag(mesh: Mesh, placed: Placed, name: str, to: Point, snap: bool) -> str:
        goal = placed.taken_back(to)
        spine = _spine(kind, mesh, placed)
        if name == "axis":
            middle = mesh.centre(spine.before)
            unit = _SNAP if snap else 1.0
            spine = _spine(kind, mesh, placed, unit * round(_angle(middle - goal) / unit))
            size = spine.size
        elif name == "tip" and kind == "grow":
            axis = linear.turn(spine.along)[:, 0]
            reach = float((goal - spine.root) @ axis)
            size = max(_LEAST, round(2 * reach / spine.length - 1, 3))
        elif name == "tip":
            off = (_angle(goal - spine.root) - spine.along + 180) % 360 - 180
            size = float(np.clip(round(2 * off, 1), -_MOST_BEND, _MOST_BEND))
            size = _SNAP * round(size / _SNAP) if snap else size
        else:
            raise ValueError(f"handle: {name!r}; expected one of tip, axis")
        word = "factor" if kind == "grow" else "degrees"
        step = Step(kind, {word: size + 0.0, "along": spine.along + 0.0})
        return placed.pose._replace(before=(*spine.before, step)).words()

    return drag


def _points(_mesh: Mesh, placed: Placed) -> list[Handle]:
    steps = placed.pose.before
    if not steps or steps[-1].name != "drag":
        return []
    goals = placed.put(np.asarray(steps[-1].parameters["to"]))
    return [_at(f"point-{i}", f"point {i + 1}", goal) for i, goal in enumerate(goals)]


def _drag_points(mesh: Mesh, placed: Placed, name: str, to: Point, _snap: bool) -> str:
    steps = placed.pose.before
    before, from_, goals = steps, np.zeros((0, 2)), np.zeros((0, 2))
    if steps and steps[-1].name == "drag":
        before, given = steps[:-1], steps[-1].parameters
        from_, goals = np.asarray(given["from_"]), np.asarray(given["to"])
    goal = np.round(placed.taken_back(to), 1)
    if name == "add":
        start, moved = mesh.moved(before), placed.before
        nearest = int(np.linalg.norm(moved - goal, axis=1).argmin())
        from_ = np.concatenate([from_, np.round(start[nearest] + goal - moved[nearest], 1)[None]])
        goals = np.concatenate([goals, goal[None]])
    else:
        kind, _, number = name.partition("-")
        if kind not in ("point", "remove") or not number.isdigit() or int(number) >= len(goals):
            raise ValueError(f"handle: {name!r}; expected add, point-0, … or remove-0, …")
        if kind == "remove":
            keep = np.arange(len(goals)) != int(number)
            from_, goals = from_[keep], goals[keep]
        else:
            goals = goals.copy()
            goals[int(number)] = goal
    step = (Step("drag", {"from_": from_, "to": goals}),) if len(goals) else ()
    return placed.pose._replace(before=(*before, *step)).words()


_IN_MODE: dict[str, Callable[[Mesh, Placed], list[Handle]]] = {
    "transform": _frame,
    "perspective": _perspective,
    "grow": _gradual("grow"),
    "bend": _gradual("bend"),
    "points": _points,
}
_DRAGS: dict[str, Callable[[Mesh, Placed, str, Point, bool], str]] = {
    "transform": _drag_frame,
    "perspective": _drag_perspective,
    "grow": _drag_gradual("grow"),
    "bend": _drag_gradual("bend"),
    "points": _drag_points,
}


def _said(*steps: Step) -> str:
    return motions.say(MotionSpec(steps))


def _angle(arm: Point) -> float:
    """Direction in degrees, counter-clockwise as seen on the screen."""
    return math.degrees(math.atan2(-arm[1], arm[0]))


def _at(name: str, label: str, place: Point) -> Handle:
    return Handle(name, label, float(place[0]), float(place[1]))


def _corner(name: str) -> str:
    return f"{_NAMES[name[0]]} {_NAMES[name[1]]}"
