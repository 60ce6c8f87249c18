"""Motions that are told by points: where they are, and where they go to."""

import itertools

import numpy as np
from jaxtyping import Float64

from flows.motions.types import Displacement, Points

_SAME = 1e-3  # pixels: points that near are one
_FLAT = 1e-6  # of a shape's size: corners that near to a line lie on it
_HORIZON = 1e-3  # of the nearest corner's distance from the horizon


def homography(*, from_: Points, to: Points) -> Displacement:
    """Move four corners, and all else as a plane seen in perspective.

    Raises:
        ValueError: not four corners each, or three of them on a line, or the corners follow one
            another in a different order; of an object, that the horizon crosses it.
    """
    _check_pairs(from_, to)
    for name, corners in (("from", from_), ("to", to)):
        if len(corners) != 4:
            raise ValueError(f"{name}= has {len(corners)} points; expected 4 corners")
        if any(_on_a_line(np.array(three)) for three in itertools.combinations(corners, 3)):
            raise ValueError(f"{name}= has three corners on a line; expected 4 corners of an area")
    # In coordinates about the corners' middle, where numbers are of one size.
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
    """Move points, and all between them smoothly: drag a nose, and pin the eyes.

    One point moves all by as much; two move, turn and scale it; three and more are a thin-plate
    spline: the least bending that passes through all of them.

    Raises:
        ValueError: as many points are not given on both sides, one is given twice, or three and
            more lie on one line.
    """
    _check_pairs(from_, to)
    if len(from_) == 1:
        return lambda points: np.broadcast_to(to[0] - from_[0], points.shape)
    if len(from_) == 2:
        return _similarity(from_, to)
    if _on_a_line(from_):
        raise ValueError("from= has all points on a line; expected one beside it (or only two)")
    import scipy.interpolate  # takes long to import

    # About the points' middle and in their size: the solution does not depend on it, its rounding
    # does.
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
    """Map the axes and (1, 1, 1), in homogeneous coordinates, to four corners."""
    columns = _homogeneous(corners).T
    return np.asarray(columns[:, :3] * np.linalg.solve(columns[:, :3], columns[:, 3]))


def _similarity(from_: Points, to: Points) -> Displacement:
    """Turn, scale and move so that two points arrive, in complex numbers."""
    (start, other), (goal, far) = from_ @ [1, 1j], to @ [1, 1j]
    factor = (far - goal) / (other - start)

    def displace(points: Points) -> Points:
        position = points @ np.array([1, 1j])
        moved = (factor - 1) * (position - start) + (goal - start)
        return np.stack([moved.real, moved.imag], axis=-1)

    return displace
