"""Compose test scenes from cut-outs over a photo, with exact source, motion and true answer.

A scene is a photo and layers, the last in front; a layer is a cut-out, where it lies, and how it
moves. In the source and in the answer a layer is drawn directly from its cut-out, resampled once.
Pictures are made by sums and products of float64 only, so that they are the same on every machine;
displacements are rounded to 2⁻¹⁰ of a pixel, coarser than differences between machines.
"""

import math
import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Int32, UInt8
from PIL import Image
from scipy.ndimage import map_coordinates

from flows.motions import MotionSpec, field
from flows.motions.types import Displacement
from mg_jax import images

_GRAIN = 1024  # displacements are multiples of 1/1024 pixel
_ROUNDS = 6  # iterations of Newton's method; linear motions need one
_CLOSE = 1e-2  # pixels; with a larger residual a point counts as not found
_FINEST = 8  # samples across a pixel, at most
_FLAT = 1e-6  # smallest determinant of a Jacobian that is inverted
_MARGIN = 3  # pixels around a box: soft rims, and room for bilinear sampling
_SETTLED = 6  # decimals to which a colour is rounded before it becomes an integer
_DIGITS = 12  # decimals of sines and cosines, whose last digits differ between machines

Points = Float[np.ndarray, "h w 2"]
Slopes = Float[np.ndarray, "h w 2 2"]  # [..., i, j]: of component i along axis j (x, y)


class Place(NamedTuple):
    """Where a cut-out lies.

    Attributes:
        x, y: its middle, in pixels of the picture.
        scale: pixels of the picture per pixel of the cut-out.
        degrees: its rotation, counter-clockwise as seen on the screen.
    """

    x: float
    y: float
    scale: float
    degrees: float = 0.0

    def outward(self, offsets: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        """Map (x, y) in the cut-out, relative to its middle, to (x, y) in the picture."""
        cosine, sine = self._turn()
        turned = np.stack(
            [
                cosine * offsets[:, 0] + sine * offsets[:, 1],
                cosine * offsets[:, 1] - sine * offsets[:, 0],
            ],
            axis=-1,
        )
        return np.asarray(turned * self.scale + np.array([self.x, self.y]))

    def inward(self) -> Float[np.ndarray, "2 2"]:
        """Return the matrix that maps steps in the picture to steps in the cut-out."""
        cosine, sine = self._turn()
        return np.array([[cosine, -sine], [sine, cosine]]) / self.scale

    def _turn(self) -> tuple[float, float]:
        angle = math.radians(self.degrees)
        return round(math.cos(angle), _DIGITS), round(math.sin(angle), _DIGITS)


class Layer(NamedTuple):
    """One object.

    Attributes:
        cutout: its picture, RGB and opacity.
        place: where it lies in the source; all of it inside the picture.
        motion: how it moves, None if it rests. It must be one-to-one. Its centre and ends are those
            of the upright bounding box of the object, and it is evaluated on that box only.
    """

    cutout: UInt8[np.ndarray, "H W 4"]
    place: Place
    motion: MotionSpec | Displacement | None = None


class Scene(NamedTuple):
    """An edit with its true answer.

    Attributes:
        source: the photo with the objects at their places.
        flow: an object's motion on the source pixels that it covers by more than half, if no other
            object covers them; 0 elsewhere. In pixels, multiples of 2⁻¹⁰.
        answer: the photo with the objects where their motions take them, the last in front.
        order: 1 where the flow is the first moving object's, 2 the second's, …; 0 elsewhere.
    """

    source: UInt8[np.ndarray, "h w 3"]
    flow: Float32[np.ndarray, "h w 2"]
    answer: UInt8[np.ndarray, "h w 3"]
    order: Int32[np.ndarray, "h w"]


def compose(photo: UInt8[np.ndarray, "h w 3"], layers: Sequence[Layer]) -> Scene:
    """Compose source, flow, answer and order from a photo and its layers, the last in front.

    Raises:
        ValueError: an object that moves is not visible, or its motion does not suit it.
    """
    height, width, _ = photo.shape
    pixels = _grid(height, width)
    still = np.broadcast_to(np.eye(2), (height, width, 2, 2))
    source = answer = photo.astype(np.float64)
    flow = np.zeros((height, width, 2), np.float32)
    order = np.zeros((height, width), np.int32)
    movers = 0
    for layer in layers:
        drawn = draw(layer.cutout, layer.place, pixels, still)
        solid = drawn[..., 3] > 0.5
        source = _over(drawn, source)
        flow[solid] = order[solid] = 0
        if layer.motion is not None:
            if not solid.any():
                raise ValueError(f"{layer.place}: nothing to move; expected it in the picture")
            box = _box(np.argwhere(drawn[..., 3] > 0), (height, width))
            motion = _field(layer.motion, box, (height, width))
            flow[solid] = motion[solid]
            movers += 1
            order[solid] = movers
            # Where the whole box goes, since the motion enlarges soft rims, too.
            goals = (pixels + motion)[box].reshape(-1, 2)[:, ::-1]
            window = _box(goals, (height, width))
            drawn = np.zeros_like(drawn)
            seen = origins(motion, box, solid, pixels[window])
            drawn[window] = draw(layer.cutout, layer.place, *seen)
        answer = _over(drawn, answer)
    return Scene(_rounded(source), flow, _rounded(answer), order)


def steady(flow: Float32[np.ndarray, "h w 2"]) -> Float32[np.ndarray, "h w 2"]:
    """Round displacements to 2⁻¹⁰ of a pixel, coarser than differences between machines."""
    return np.asarray(np.round(flow * _GRAIN) / _GRAIN, np.float32)


def read_cutout(path: str | os.PathLike[str]) -> UInt8[np.ndarray, "H W 4"]:
    """Read a picture with transparency.

    Raises:
        ValueError: as for `images.read`; the picture has no transparency, is rotated by EXIF, or
            has no pixel that is more than half opaque, so that a scene's flow would be 0.
    """
    colours = images.read(path)  # only for its checks: transparency is composited over white
    with Image.open(path) as file:
        if not file.has_transparency_data:
            raise ValueError(f"{path}: has no transparency; expected a cut-out, .png or .webp")
        cutout = np.array(file.convert("RGBA"))
    if cutout.shape[:2] != colours.shape[:2]:
        raise ValueError(f"{path}: is turned by EXIF; expected an upright picture")
    if cutout[..., 3].max() <= 127:
        raise ValueError(f"{path}: is nowhere more than half opaque; expected an object")
    return cutout


def draw(
    cutout: UInt8[np.ndarray, "H W 4"], place: Place, points: Points, slopes: Slopes
) -> Float[np.ndarray, "h w 4"]:
    """Draw a placed cut-out, each pixel of the result sampled at its point of the picture.

    Args:
        cutout: RGB and opacity.
        place: where it lies in the picture.
        points: for each pixel of the result the (x, y) to sample; nan: nothing is drawn.
        slopes: derivatives of the points by the pixel's x and y. Each pixel is the mean over a grid
            of samples that is fine enough for them.

    Returns:
        Colours, 0 to 255, times opacity; and opacity, 0 to 1.
    """
    inward = place.inward()
    high, wide, _ = cutout.shape
    middle = np.array([(wide - 1) / 2, (high - 1) / 2])
    spots = _turned(inward, points - np.array([place.x, place.y])) + middle
    steps = np.stack([_turned(inward, slopes[..., axis]) for axis in (0, 1)], axis=-1)
    reach = np.abs(steps).sum(axis=-1) / 2 + 1  # half a pixel's extent, and bilinear sampling
    last = np.array([wide - 1, high - 1])
    seen = ((spots > -reach) & (spots < last + reach)).all(axis=-1)  # False for nan
    drawn = np.zeros((*points.shape[:2], 4))
    if not seen.any():
        return drawn
    spots, steps = spots[seen], steps[seen]
    fine = min(_FINEST, max(2, math.ceil(2 * reach[seen].max() - 2)))
    opacity = cutout[..., 3:].astype(np.float64) / 255
    channels = np.concatenate([cutout[..., :3] * opacity, opacity], axis=-1)
    total = np.zeros((len(spots), 4))
    offsets = (np.arange(fine) + 0.5) / fine - 0.5
    for down in offsets:
        for right in offsets:
            total += _read(channels, spots + steps[..., 0] * right + steps[..., 1] * down)
    drawn[seen] = total / fine**2
    return drawn


def origins(
    motion: Float[np.ndarray, "H W 2"],
    box: tuple[slice, slice],
    solid: Bool[np.ndarray, "H W"],
    pixels: Points,
) -> tuple[Points, Slopes]:
    """Invert a motion: find for each pixel the point p with p + motion(p) = pixel.

    Newton's method on the bilinearly interpolated motion inside a box of the picture, starting from
    the affine motion that fits best where `solid`. Also returns the derivatives of p by the pixel's
    x and y. Both are nan for pixels to which no point of the box moves.
    """
    # The motion and its slopes along x and y, as channels.
    along_y, along_x = np.gradient(motion[box], axis=(0, 1))
    channels = np.concatenate([motion[box], along_x, along_y], axis=-1)
    first = np.array([box[1].start, box[0].start])
    last = np.array([box[1].stop, box[0].stop]) - 1
    points = _linear_guess(motion, solid, pixels)
    for _ in range(_ROUNDS):
        miss, slopes = _newton(channels, np.clip(points, first, last) - first, points, pixels)
        points = points - _applied(slopes, miss)
    miss, slopes = _newton(channels, np.clip(points, first, last) - first, points, pixels)
    solved = (np.abs(miss) < _CLOSE) & (points >= first - 0.5) & (points <= last + 0.5)
    lost = ~solved.all(axis=-1)
    points[lost], slopes[lost] = np.nan, np.nan
    return points, slopes


def _newton(
    channels: Float[np.ndarray, "H W 6"], spots: Points, points: Points, pixels: Points
) -> tuple[Points, Slopes]:
    """Return the residuals p + motion(p) − pixel, and the inverse of their Jacobian."""
    values = _read(channels, spots.reshape(-1, 2)).reshape(*spots.shape[:2], 6)
    a, b = 1 + values[..., 2], values[..., 4]
    c, d = values[..., 3], 1 + values[..., 5]
    inverse = np.stack([np.stack([d, -b], -1), np.stack([-c, a], -1)], axis=-2)
    area = a * d - b * c
    area = np.where(np.abs(area) < _FLAT, _FLAT, area)
    return points + values[..., :2] - pixels, inverse / area[..., None, None]


def _linear_guess(
    motion: Float[np.ndarray, "H W 2"], solid: Bool[np.ndarray, "H W"], pixels: Points
) -> Points:
    start = np.argwhere(solid)[:, ::-1].astype(np.float64)
    goal = start + motion[solid]
    fit, *_ = np.linalg.lstsq(np.c_[start, np.ones(len(start))], goal, rcond=None)
    if abs(np.linalg.det(fit[:2])) < _FLAT:  # all pixels on a line
        return np.asarray(pixels - motion[solid].mean(axis=0))
    return np.asarray((pixels - fit[2]) @ np.linalg.inv(fit[:2]))


def _read(
    channels: Float[np.ndarray, "h w c"], spots: Float[np.ndarray, "n 2"]
) -> Float[np.ndarray, "n c"]:
    """Sample bilinearly at (x, y); 0 outside."""
    where = spots.T[::-1]
    return np.stack(
        [
            map_coordinates(channels[..., c], where, order=1, mode="grid-constant")
            for c in range(channels.shape[-1])
        ],
        axis=-1,
    )


def _turned(matrix: Float[np.ndarray, "2 2"], vectors: Points) -> Points:
    """Apply one matrix without a matrix product, whose last digits differ between machines."""
    return _applied(np.broadcast_to(matrix, (*vectors.shape[:2], 2, 2)), vectors)


def _applied(matrices: Slopes, vectors: Points) -> Points:
    return np.asarray(matrices[..., 0] * vectors[..., :1] + matrices[..., 1] * vectors[..., 1:])


def _over(
    drawn: Float[np.ndarray, "h w 4"], scene: Float[np.ndarray, "h w 3"]
) -> Float[np.ndarray, "h w 3"]:
    return np.asarray(drawn[..., :3] + (1 - drawn[..., 3:]) * scene)


def _rounded(scene: Float[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    settled = np.round(np.clip(scene, 0, 255), _SETTLED)  # so that halves round up on all machines
    rounded: np.ndarray = np.floor(settled + 0.5)
    return rounded.astype(np.uint8)


def _field(
    motion: MotionSpec | Displacement, box: tuple[slice, slice], shape: tuple[int, int]
) -> Float32[np.ndarray, "h w 2"]:
    """The flow of a motion inside a box, 0 outside."""
    mask = np.zeros(shape, bool)
    mask[box] = True
    if isinstance(motion, MotionSpec):
        return steady(field(motion, mask))
    flow = np.zeros((*shape, 2), np.float32)
    flow[mask] = motion(np.argwhere(mask)[:, ::-1].astype(np.float64))
    return steady(flow)


def _box(
    places: Float[np.ndarray, "n 2"] | Int[np.ndarray, "n 2"], shape: tuple[int, int]
) -> tuple[slice, slice]:
    """The bounding box of places (row, column), with a margin, clipped to the picture."""
    low = np.clip(np.floor(places.min(axis=0)).astype(int) - _MARGIN, 0, shape)
    high = np.clip(np.ceil(places.max(axis=0)).astype(int) + _MARGIN + 1, 0, shape)
    return slice(*map(int, (low[0], high[0]))), slice(*map(int, (low[1], high[1])))


def _grid(height: int, width: int) -> Points:
    y, x = np.mgrid[:height, :width].astype(np.float64)
    return np.stack([x, y], axis=-1)
