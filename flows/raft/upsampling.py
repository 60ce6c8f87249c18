"""Up-sample a flow to a finer grid, and scale its vectors by the same factor."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from flows.nn.precision import widened
from flows.raft.config import STRIDE


def bilinear(
    flow: Float[Array, "b h w 2"], factor: int = STRIDE
) -> Float[Array, "b {factor}*h {factor}*w 2"]:
    """Interpolate between feature pixels, corners aligned.

    Written as two matrix products, since the gradient of a resize by gathers is slow.
    """
    down = jnp.asarray(_interpolation(flow.shape[1], factor), flow.dtype)
    across = jnp.asarray(_interpolation(flow.shape[2], factor), flow.dtype)
    return factor * jnp.einsum("yi,xj,bijc->byxc", down, across, flow, precision="highest")


def _interpolation(size: int, factor: int) -> Float[np.ndarray, "big small"]:
    """Weights [factor·size, size] of linear interpolation that keeps the first and last sample."""
    position = np.linspace(0, size - 1, factor * size)[:, None]
    weights: np.ndarray = np.maximum(0.0, 1.0 - np.abs(position - np.arange(size)[None, :]))
    return weights


def convex(
    flow: Float[Array, "b h w 2"], mask: Float[Array, "b h w 576"]
) -> Float[Array, "b 8*h 8*w 2"]:
    """Average the 3×3 neighbouring vectors with the weights that RAFT predicts (appendix B)."""
    # The published weights were trained with this factor.
    return mixed(flow, 0.25 * widened(mask), STRIDE)


def mixed(
    flow: Float[Array, "b h w 2"], logits: Float[Array, "b h w 9*{factor}*{factor}"], factor: int
) -> Float[Array, "b {factor}*h {factor}*w 2"]:
    """Average the 3×3 neighbouring vectors, with a softmax over them for each finer pixel.

    Neighbours outside the map are zero. The logits' channels run over neighbours, then over the
    rows, then over the columns of a feature pixel.
    """
    b, h, w, _ = flow.shape
    weights = jax.nn.softmax(widened(logits).reshape(b, h, w, 9, factor, factor), 3)
    padded = jnp.pad(factor * flow, ((0, 0), (1, 1), (1, 1), (0, 0)))
    shifts = [(y, x) for y in range(3) for x in range(3)]
    near = jnp.stack([padded[:, y : y + h, x : x + w] for y, x in shifts], 3)
    fine = jnp.einsum("bhwkyx,bhwkc->bhywxc", weights, near, precision="highest")
    return fine.reshape(b, factor * h, factor * w, 2)
