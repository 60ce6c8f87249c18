"""Forward-backward check: which pixels of an estimated flow can be trusted."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from flows.geometry import compose

_SHARE = 0.01
_PIXELS = 0.5


def consistent(
    forward: Float[np.ndarray, "h w 2"], backward: Float[np.ndarray, "h w 2"]
) -> Bool[np.ndarray, "h w"]:
    """Mark the pixels whose forward flow f is undone by the backward flow b.

    True where |f + b|² < 0.01·(|f|² + |b|²) + 0.5 pixels², b read at p + f(p) (Sundaram, Brox &
    Keutzer, "Dense point trajectories by GPU-accelerated large displacement optical flow",
    ECCV 2010). False where a pixel is hidden in the second picture or the estimates are wrong. True
    for pixels that leave the picture: there is no backward flow to compare with.

    Args:
        forward: from the first picture to the second, in pixels.
        backward: from the second to the first, in pixels.
    """
    height, width, _ = forward.shape
    loop = np.asarray(_compose(*(jnp.asarray(flow, jnp.float32) for flow in (forward, backward))))
    back = loop - forward
    lengths = np.square(forward).sum(-1) + np.square(back).sum(-1)
    agrees = np.square(loop).sum(-1) < _SHARE * lengths + _PIXELS
    x, y = forward[..., 0] + np.arange(width), forward[..., 1] + np.arange(height)[:, None]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return np.asarray(agrees | ~inside)


_compose = jax.jit(compose)
