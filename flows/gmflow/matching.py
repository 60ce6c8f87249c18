"""Flow as a mean of displacements, weighted by how well features match (GMFlow, section 3.2)."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from flows import geometry
from flows.nn.precision import widened


def match(
    first: Float[Array, "b h w c"], second: Float[Array, "b h w c"], radius: int | None
) -> Float[Array, "b h w 2"]:
    """Expected displacement (x, y) from each pixel to its match in `second`, in feature pixels.

    The match is sought within `radius` along each axis, or everywhere if None. Computed in at
    least float32.
    """
    first, second = widened(first) * first.shape[-1] ** -0.5, widened(second)
    return _everywhere(first, second) if radius is None else _near(first, second, radius)


def _everywhere(
    first: Float[Array, "b h w c"], second: Float[Array, "b h w c"]
) -> Float[Array, "b h w 2"]:
    b, h, w, _ = first.shape
    logits = jnp.einsum("bhwc,bijc->bhwij", first, second, precision="highest")
    weights = jax.nn.softmax(logits.reshape(b, h, w, h * w), -1)
    pixels = geometry.grid(h, w).astype(weights.dtype)
    matches = jnp.einsum("bhwp,pc->bhwc", weights, pixels.reshape(h * w, 2), precision="highest")
    return matches - pixels[None]


def _near(
    first: Float[Array, "b h w c"], second: Float[Array, "b h w c"], radius: int
) -> Float[Array, "b h w 2"]:
    _, h, w, _ = first.shape
    steps = offsets(radius)
    padded = jnp.pad(second, ((0, 0), (radius, radius), (radius, radius), (0, 0)))

    # Recomputed for the gradient, which would otherwise keep one slice of `second` per offset.
    @jax.checkpoint
    def logit(begin: Int[Array, "4"]) -> Float[Array, "b h w"]:
        return jnp.sum(first * jax.lax.dynamic_slice(padded, begin, second.shape), -1)

    begins = np.pad(steps[:, ::-1] + radius, ((0, 0), (1, 1)))
    logits = jnp.moveaxis(jax.lax.map(logit, jnp.asarray(begins)), 0, -1)
    target = np.moveaxis(np.mgrid[:h, :w][::-1], 0, -1)[:, :, None] + steps
    inside = ((target >= 0) & (target < (w, h))).all(-1)
    weights = jax.nn.softmax(jnp.where(inside[None], logits, -jnp.inf), -1)
    moves = jnp.asarray(steps, weights.dtype)
    return jnp.einsum("bhwo,oc->bhwc", weights, moves, precision="highest")


def offsets(radius: int) -> Int[np.ndarray, "{(2*radius+1)**2} 2"]:
    """Offsets (x, y) of all pixels of a window from its middle, row by row."""
    side = np.arange(-radius, radius + 1, dtype=np.int32)
    return np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)


def moved_back(
    features: Float[Array, "b h w c"], flow: Float[Array, "b h w 2"]
) -> Float[Array, "b h w c"]:
    """Backward warp of features: sampled at p + flow(p), bilinear, zero outside the map."""
    _, h, w, _ = features.shape
    # Pad with one ring of zeros; points farther out are clamped to it.
    ringed = jnp.pad(widened(features), ((0, 0), (1, 1), (1, 1), (0, 0)))
    points = jax.vmap(geometry.targets)(flow) + 1
    last = jnp.asarray([w + 1, h + 1], flow.dtype).reshape(1, 1, 1, 2)
    read = jax.vmap(geometry.sample)(ringed, jnp.clip(points, 0, last))
    return read.astype(features.dtype)
