"""Motions given by points: where they are, and where they go."""

import itertools

import numpy as np
from jaxtyping import Float64

from flows.motions.types import Displacement, Points

_SAME = 1e-3  # pixels; points nearer to each other count as one
_FLAT = 1e-6  # share of a shape's size; corners nearer to a line count as lying on it
_HORIZON = 1e-3  # least distance from the horizon, as a share of the nearest corner's


def homography(*, from_: Points, to: Points) -> Displacement:
    """Move four corners, and everything else with them as a plane seen in perspective.

    The displacement raises ValueError for an object that the plane's horizon crosses.

    Raises:
        ValueError: not four corners each, or three of them on a line, or the corners follow one
            another in a different order.
    """
    _check_pairs(from_, to)
    for name, corners in (("from", from_), ("to", to)):
        if len(corners) != 4:
            raise ValueError(f"{name}= has {len(corners)} points; expected 4 corners")
        if any(_on_a_line(np.array(three)) for three in itertools.combinations(corners, 3)):
            raise ValueError(f"{name}= has three corners on a line; expected 4 corners of an area")
    # In coordinates relative to the corners' middle, which keeps rounding errors small.
    middle, goal = from_.mean(axis=0), to.mean(axis=0)
    matrix = _basis(to - goal) @ np.linalg.inv(_basis(from_ - middle))
    depth = _homogeneous(from_ - middle) @ matrix[2]
    matrix *= np.sign(depth[0])
    if (np.sign(depth) != np.sign(depth[0])).any():
        raise ValueError(
            "from= and to= cannot be seen as one plane; expected their corners in the same order"
        )
    nearest = float(np.abs(depth).min())

    def displace(points: Points) -> Points:
        seen = _homogeneous(points - middle) @ matrix.T
        if (seen[:, 2] < _HORIZON * nearest).any():
            raise ValueError(
                "its horizon crosses the object; expected corners around the object, or a milder"
                " perspective"
            )
        return np.asarray(seen[:, :2] / seen[:, 2:] + goal - points)

    return displace


def drag(*, from_: Points, to: Points) -> Displacement:
    """Move points, and the rest of the object smoothly with them: drag a nose, pin the eyes.

    One point translates the object; two translate, turn and scale it; three or more define a
    thin-plate spline, which bends least while it passes through all of them.

    Raises:
        ValueError: the numbers of points differ, a point is given twice, or three or more points
            lie on one line.
    """
    _check_pairs(from_, to)
    if len(from_) == 1:
        return lambda points: np.broadcast_to(to[0] - from_[0], points.shape)
    if len(from_) == 2:
        return _similarity(from_, to)
    if _on_a_line(from_):
        raise ValueError("from= has all points on a line; expected one beside it (or only two)")
    import scipy.interpolate  # takes long to import

    # In coordinates relative to the points' middle and size: the solution stays the same, its
    # rounding errors become smaller.
    middle, size = from_.mean(axis=0), float(np.abs(from_ - from_.mean(axis=0)).max())
    spline = scipy.interpolate.RBFInterpolator(
        (from_ - middle) / size, to - from_, kernel="thin_plate_spline", degree=1
    )
    return lambda points: np.asarray(spline((points - middle) / size))


def _check_pairs(from_: Points, to: Points) -> None:
    if len(from_) != len(to):
        raise ValueError(f"from= has {len(from_)} points, to= {len(to)}; expected as many")
    for name, points in (("from", from_), ("to", to)):
        gaps = np.linalg.norm(points[:, None] - points[None], axis=-1)
        if (gaps + np.eye(len(points)) < _SAME).any():
            raise ValueError(f"{name}= has a point twice; expected points that differ")


def _on_a_line(points: Points) -> bool:
    extents = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    return bool(extents[-1] <= _FLAT * extents[0])


def _homogeneous(points: Points) -> Float64[np.ndarray, "n 3"]:
    return np.concatenate([points, np.ones((len(points), 1))], axis=1)


def _basis(corners: Points) -> Float64[np.ndarray, "3 3"]:
    """The matrix that maps the axes and (1, 1, 1), in homogeneous coordinates, to four corners."""
    columns = _homogeneous(corners).T
    return np.asarray(columns[:, :3] * np.linalg.solve(columns[:, :3], columns[:, 3]))


def _similarity(from_: Points, to: Points) -> Displacement:
    """Turn, scale and move so that two points arrive; (x, y) is computed as x + iy."""
    (start, other), (goal, far) = from_ @ [1, 1j], to @ [1, 1j]
    factor = (far - goal) / (other - start)

    def displace(points: Points) -> Points:
        position = points @ np.array([1, 1j])
        moved = (factor - 1) * (position - start) + (goal - start)
        return np.stack([moved.real, moved.imag], axis=-1)

    return displace
