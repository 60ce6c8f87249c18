"""A flow for a picture of another size."""

import numpy as np
import scipy.ndimage
from jaxtyping import Float, Float32

from flows import masks


def fit(
    flow: Float[np.ndarray, "h w 2"], height: int, width: int
) -> Float32[np.ndarray, "{height} {width} 2"]:
    """Carry a motion to a picture of another size: what moves, and by how many pixels.

    Each side scales on its own; pixel areas are aligned, as pictures are resized. Bilinear, exact
    for affine motions. What moves keeps its edge: a pixel moves when half of what it is read from
    does, and then by the mean over the moving part, since half a motion is none.
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
