"""A flow at an eighth of the size to the full size, its vectors made eight times longer."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from flows.nn.precision import widened
from flows.raft.config import STRIDE


def bilinear(flow: Float[Array, "b h w 2"]) -> Float[Array, "b 8*h 8*w 2"]:
    """Interpolate between feature pixels, corners aligned.

    Two matrix products: the gradient of a resize by gathers is slow.
    """
    down = jnp.asarray(_interpolation(flow.shape[1]), flow.dtype)
    across = jnp.asarray(_interpolation(flow.shape[2]), flow.dtype)
    return STRIDE * jnp.einsum("yi,xj,bijc->byxc", down, across, flow, precision="highest")


def _interpolation(size: int) -> Float[np.ndarray, "big small"]:
    """Weights [8·size, size] of linear interpolation with the first and last samples kept."""
    position = np.linspace(0, size - 1, STRIDE * size)[:, None]
    weights: np.ndarray = np.maximum(0.0, 1.0 - np.abs(position - np.arange(size)[None, :]))
    return weights


def convex(
    flow: Float[Array, "b h w 2"], mask: Float[Array, "b h w 576"]
) -> Float[Array, "b 8*h 8*w 2"]:
    """Mix the 3×3 neighbouring vectors by weights that the network predicts (appendix B)."""
    b, h, w, _ = flow.shape
    # The factor is the one that the published weights were trained with.
    logits = 0.25 * widened(mask).reshape(b, h, w, 9, STRIDE, STRIDE)
    weights = jax.nn.softmax(logits, 3)
    padded = jnp.pad(STRIDE * flow, ((0, 0), (1, 1), (1, 1), (0, 0)))
    shifts = [(y, x) for y in range(3) for x in range(3)]
    near = jnp.stack([padded[:, y : y + h, x : x + w] for y, x in shifts], 3)
    fine = jnp.einsum("bhwkyx,bhwkc->bhywxc", weights, near)
    return fine.reshape(b, STRIDE * h, STRIDE * w, 2)
