"""Resize flows for pictures of another size, without blurring the edges of what moves."""

import numpy as np
import scipy.ndimage
from jaxtyping import Float, Float32, Shaped

from flows import masks

_PROPORTIONS = 0.1  # largest relative difference of the proportions of small pictures


def agrees(shape: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether two (height, width) have the same proportions, within a pixel of the first."""
    (height, width), (tall, wide) = shape[:2], other[:2]
    off = min(abs(width - wide * height / tall), abs(height - tall * width / wide))
    return off <= 1 and abs(width * tall / (height * wide) - 1) <= _PROPORTIONS


def fit(
    flow: Float[np.ndarray, "h w 2"], height: int, width: int
) -> Float32[np.ndarray, "{height} {width} 2"]:
    """Resize a flow to `height` x `width`, and scale its vectors accordingly, per axis.

    Bilinear, pixel areas aligned (as pictures are resized), exact for affine motions. Edges stay
    sharp: a pixel moves if at least half of the weight that it is interpolated with lies on moving
    pixels, and then by the mean of these alone. Averaged with pixels at rest, motions would be too
    short.
    """
    ratio = np.array([width / flow.shape[1], height / flow.shape[0]])
    places = [
        (np.arange(n) + 0.5) * old / n - 0.5
        for n, old in zip((height, width), flow.shape[:2], strict=True)
    ]
    points = np.meshgrid(*places, indexing="ij")
    layers = np.dstack([flow, np.ones(flow.shape[:2])]) * masks.moving(flow)[..., None]
    *motion, share = (
        scipy.ndimage.map_coordinates(layer, points, order=1, mode="nearest")
        for layer in np.moveaxis(layers, -1, 0)
    )
    mean = np.stack(motion, axis=-1) / np.maximum(share, 0.5)[..., None]
    return np.where((share >= 0.5)[..., None], mean * ratio, 0).astype(np.float32)


def fit_nearest(
    flow: Float[np.ndarray, "h w 2"], height: int, width: int
) -> Float[np.ndarray, "{height} {width} 2"]:
    """Resize a flow by nearest neighbour, and scale its vectors accordingly, per axis.

    Unlike `fit` it averages no vectors: where an object's pixels move differently, or touch those
    of another object, each pixel has the motion of a single one.
    """
    scale = np.array([width / flow.shape[1], height / flow.shape[0]])
    return np.asarray(nearest(flow, height, width) * scale, flow.dtype)


def nearest(
    values: Shaped[np.ndarray, "_ _ *rest"], height: int, width: int
) -> Shaped[np.ndarray, "{height} {width} *rest"]:
    """Resize by nearest neighbour: the values of the pixels that the new pixels' centres lie in."""
    rows, columns = (
        (2 * np.arange(new) + 1) * old // (2 * new)
        for new, old in zip((height, width), values.shape[:2], strict=True)
    )
    return np.asarray(values[rows[:, None], columns])
