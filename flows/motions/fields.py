"""Compute the flow of motions and the masks of the objects that they move."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Float32, Int32

from flows.motions.words import MotionSpec
from flows.parsing import LIMIT


def field(motion: MotionSpec, mask: Bool[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w 2"]:
    """Compute a motion's flow: the displacement of every selected pixel in pixels, 0 elsewhere.

    A centre that the words leave open is the centroid of the selected pixels after the steps
    before: an object that has moved turns about itself.

    Raises:
        ValueError: the mask selects nothing, the motion does not suit the object (a horizon
            crosses it, a bend folds it), or moves it by more than a million pixels.
    """
    _check_selects(mask)
    y, x = np.nonzero(mask)
    start = np.stack([x, y], axis=-1).astype(np.float64)
    points = start
    for step in motion.steps:
        cx, cy = points.mean(axis=0).tolist()
        try:
            points = points + step.about(cx, cy)(points)
        except ValueError as error:
            raise ValueError(f"motion {step.name!r}: {error}") from error
        if np.abs(points - start).max() > LIMIT:
            raise ValueError(
                f"motion {step.name!r}: moves a pixel by more than {LIMIT:,.0f}; expected less"
            )
    flow = np.zeros((*mask.shape, 2), np.float32)
    flow[mask] = points - start
    return flow


def together(
    objects: Sequence[tuple[MotionSpec, Bool[np.ndarray, "h w"]]],
) -> Float32[np.ndarray, "h w 2"]:
    """Compute one flow for several objects, each with its own motion.

    Where masks overlap, the pixel moves with the later object, which lies on top (see `order`). An
    object's centre and ends are still those of its whole mask.

    Raises:
        ValueError: as for `order` and `field`.
    """
    layers = order(objects)
    flow = np.zeros((*layers.shape, 2), np.float32)
    for layer, (motion, mask) in enumerate(objects, start=1):
        flow = np.where((layers == layer)[..., None], field(motion, mask), flow)
    return flow


def order(
    objects: Sequence[tuple[MotionSpec, Bool[np.ndarray, "h w"]]],
) -> Int32[np.ndarray, "h w"]:
    """Label each pixel with its object: 1 for the first, 2 for the second, …; 0 in no mask.

    A higher number lies on top, where masks overlap and where objects land on one another.

    Raises:
        ValueError: there is no object, a mask selects nothing, masks differ in size, or later masks
            cover one completely.
    """
    if not objects:
        raise ValueError("motion: none given; expected at least one, with its mask")
    shape = objects[0][1].shape
    layers = np.zeros(shape, np.int32)
    for layer, (_, mask) in enumerate(objects, start=1):
        _check_selects(mask)
        if mask.shape != shape:
            raise ValueError(f"motion: masks of {mask.shape} and {shape}; expected one size")
        layers[mask] = layer
    for layer in range(1, len(objects) + 1):
        if not (layers == layer).any():
            raise ValueError(
                f"motion: masks after mask {layer} cover it whole; expected it to show"
            )
    return layers


def leaving(flow: Float[np.ndarray, "h w 2"], mask: Bool[np.ndarray, "h w"]) -> float:
    """Share, 0 to 1, of the selected pixels that end outside the picture."""
    if not mask.any():
        return 0.0
    height, width = mask.shape
    y, x = np.nonzero(mask)
    end = np.stack([x, y], axis=-1) + flow[mask].astype(np.float64)
    slack = 1e-3  # so that rounding at the outermost pixels does not count as leaving
    last = np.array([width - 1, height - 1])
    outside = (end < -slack) | (end > last + slack)
    return float(outside.any(axis=-1).mean())


def _check_selects(mask: Bool[np.ndarray, "h w"]) -> None:
    if not mask.any():
        raise ValueError("motion: the mask selects no pixel; expected an object to move")
