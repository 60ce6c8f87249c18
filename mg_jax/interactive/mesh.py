"""A mesh over what is selected, whose points follow a motion in a few milliseconds.

Points are pixels of the selection: a grid of them, and its outline. A motion is evaluated at them
by the same functions that `flows.motions.field` evaluates at all pixels, and gives the same there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float64, Int32
from scipy import ndimage
from scipy.spatial import Delaunay, QhullError

from flows import motions
from flows.motions import MotionSpec, Step
from flows.motions.types import Displacement

_POINTS = 1600  # inside, about
_AFFINE = 1e-7  # pixels; a motion that deviates less from an affine map is one
_REMEMBERED = 8  # centroids
_THIN = 3  # pixels; contours of fewer points are drawn whole


@dataclass(frozen=True, eq=False)
class Mesh:
    """Points of a selection, (x, y) in pixels, and triangles between them."""

    points: Float64[np.ndarray, "n 2"]  # the outlines one after the other, then the inside
    outlines: tuple[int, ...]  # how many points each closed outline has
    triangles: Int32[np.ndarray, "t 3"]
    rim: Float64[np.ndarray, "r 2"]  # all pixels on the border of the selection
    selected: Float64[np.ndarray, "N 2"]  # all its pixels
    middle: Float64[np.ndarray, "2"]  # their centroid
    _centres: dict[str, Float64[np.ndarray, "2"]] = field(default_factory=dict)

    def moved(self, steps: Sequence[Step]) -> Float64[np.ndarray, "n 2"]:
        """Where the points go, in pixels.

        Raises:
            ValueError: the motion does not suit the object; as `flows.motions.field`.
        """
        return self._walked(steps)[: len(self.points)]

    def centre(self, steps: Sequence[Step]) -> Float64[np.ndarray, "2"]:
        """The centroid of the whole selection after some steps, which are known to suit it."""
        walked = self._walked(steps)
        start = np.concatenate([self.points, self.rim, self.middle[None]])
        return walked[-1] if _is_affine(start, walked) else self._centroid(steps)

    def _walked(self, steps: Sequence[Step]) -> Float64[np.ndarray, "_ 2"]:
        """Points, border and, as long as the steps are affine, the centroid after some steps."""
        # The border's pixels decide how far the object reaches; an affine map keeps the centroid.
        points = np.concatenate([self.points, self.rim, self.middle[None]])
        for i, step in enumerate(steps):
            moved = points + _displacement(step, points[-1])(points)
            if any(one.open for one in steps[i + 1 :]) and not _is_affine(points, moved):
                moved[-1] = self._centroid(steps[: i + 1])
            points = moved
        return points

    def _centroid(self, steps: Sequence[Step]) -> Float64[np.ndarray, "2"]:
        """The centroid after some steps, from all pixels; computed once for the same steps."""
        key = motions.say(MotionSpec(tuple(steps)))
        if key not in self._centres:
            points = self.selected
            for step in steps:
                points = points + _displacement(step, points.mean(axis=0))(points)
            if len(self._centres) >= _REMEMBERED:
                self._centres.clear()
            self._centres[key] = points.mean(axis=0)
        return self._centres[key]


def build(mask: Bool[np.ndarray, "h w"]) -> Mesh:
    """Triangulate a selection: about 1,600 points and the outline. `mask` selects something."""
    import cv2

    step = max(1.0, np.sqrt(mask.sum() / _POINTS))
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    outlines = [_thinned(contour[:, 0].astype(np.float64), step) for contour in contours]
    grid = np.zeros(mask.shape, bool)
    rows, columns = (np.arange(step / 2, side, step).astype(int) for side in mask.shape)
    grid[np.ix_(rows, columns)] = True
    border = mask & ~ndimage.binary_erosion(mask)
    inside = np.argwhere(grid & mask & ~border)[:, ::-1].astype(np.float64)
    points = np.concatenate([*outlines, inside])
    selected = np.argwhere(mask)[:, ::-1].astype(np.float64)
    return Mesh(
        points,
        tuple(len(outline) for outline in outlines),
        _triangles(points, mask),
        np.argwhere(border)[:, ::-1].astype(np.float64),
        selected,
        selected.mean(axis=0),
    )


def _thinned(contour: np.ndarray, step: float) -> np.ndarray:
    every = max(1, round(step / 2)) if len(contour) > _THIN * step else 1
    return contour[::every]


def _triangles(points: np.ndarray, mask: np.ndarray) -> Int32[np.ndarray, "t 3"]:
    """Triangles between the points that touch the selection."""
    try:
        found = Delaunay(points).simplices
    except (QhullError, ValueError):  # all on a line, or fewer than three
        return np.zeros((0, 3), np.int32)
    corners = points[found]
    touches = np.zeros(len(found), bool)
    for weights in ((1 / 3, 1 / 3, 1 / 3), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)):
        x, y = np.rint(np.einsum("tkc,k->ct", corners, np.array(weights))).astype(int)
        touches |= mask[y, x]
    return np.asarray(found[touches], np.int32)


def _displacement(step: Step, centre: np.ndarray) -> Displacement:
    try:
        displacement = step.about(*centre.tolist())
    except ValueError as error:
        raise ValueError(f"motion {step.name!r}: {error}") from error

    def displace(points: np.ndarray) -> np.ndarray:
        try:
            return displacement(points)
        except ValueError as error:
            raise ValueError(f"motion {step.name!r}: {error}") from error

    return displace


def _is_affine(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether an affine map moves the points; too few points to tell are moved by one."""
    centred = before - before.mean(axis=0)
    known = np.concatenate(
        [centred / max(1.0, np.abs(centred).max()), np.ones_like(centred[:, :1])], axis=1
    )
    linear = np.linalg.lstsq(known.T @ known, known.T @ after, rcond=None)[0]
    return bool(np.abs(known @ linear - after).max() <= _AFFINE)
