"""Turn a backward flow (where each pixel of the result comes from) into a forward one."""

import jax
import numpy as np
from jaxtyping import Float, Float32

from flows import masks
from flows.geometry import splat
from flows.hole_filling import spread

_HIT = 0.05  # least weight of what lands on a pixel for its mean to be known


def forward(backward: Float[np.ndarray, "h w 2"]) -> Float32[np.ndarray, "h w 2"]:
    """Find the forward flow f of a backward flow b: f(q + b(q)) = −b(q).

    What the result shows says where its pixels came from; pixels that it does not show, as they are
    covered or have left the picture, rest. Gaps between the places that pixels came from, as after
    a motion that shrinks, are filled smoothly.
    """
    moving = masks.moving(backward)
    origin = masks.destination(backward)  # what lands there, walking backwards, without gaps
    layer = np.concatenate([-backward, np.ones_like(backward[..., :1])], axis=-1)
    layer = (layer * moving[..., None]).astype(np.float32)
    landed = np.asarray(_splat(layer, backward.astype(np.float32)))
    weight = landed[..., 2:]
    mean = landed[..., :2] / np.maximum(weight, _HIT)
    known = weight[..., 0] >= _HIT
    if not known.any():
        return np.zeros(backward.shape, np.float32)
    whole = spread(mean, known)
    return np.where(origin[..., None], whole, 0).astype(np.float32)


_splat = jax.jit(lambda layer, flow: splat(layer, flow)[0])
