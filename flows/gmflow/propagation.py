"""Propagate flow to pixels without a match, from pixels that look alike (GMFlow, section 3.3)."""

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from flows.gmflow.matching import offsets
from flows.nn.linear import Linear
from flows.nn.precision import widened


class Propagation(nnx.Module):
    """Self-attention over the first image's features, with the flow as values."""

    def __init__(self, channels: int, *, dtype: DTypeLike, rngs: nnx.Rngs):
        self.query = Linear(channels, channels, dtype=dtype, rngs=rngs)
        self.key = Linear(channels, channels, dtype=dtype, rngs=rngs)

    def __call__(
        self,
        features: Float[Array, "b h w c"],
        flow: Float[Array, "b h w 2"],
        radius: int | None,
    ) -> Float[Array, "b h w 2"]:
        """Average the flow of pixels within `radius` along each axis, or of all if None.

        Computed in at least float32.
        """
        query = self.query(features)
        # Without a radius, keys are projected from the queries: the weights were trained so.
        key = self.key(query if radius is None else features)
        query, key = widened(query) * query.shape[-1] ** -0.5, widened(key)
        return _everywhere(query, key, flow) if radius is None else _near(query, key, flow, radius)


def _everywhere(
    query: Float[Array, "b h w c"], key: Float[Array, "b h w c"], flow: Float[Array, "b h w 2"]
) -> Float[Array, "b h w 2"]:
    b, h, w, _ = query.shape
    logits = jnp.einsum("bhwc,bijc->bhwij", query, key, precision="highest")
    weights = jax.nn.softmax(logits.reshape(b, h, w, h * w), -1)
    values = flow.reshape(b, h * w, 2)
    return jnp.einsum("bhwp,bpc->bhwc", weights, values, precision="highest")


def _near(
    query: Float[Array, "b h w c"],
    key: Float[Array, "b h w c"],
    flow: Float[Array, "b h w 2"],
    radius: int,
) -> Float[Array, "b h w 2"]:
    """Attend to a window around each pixel.

    Places outside the map take part, with keys and flows of zero: the weights were trained so.
    """
    _, h, w, _ = query.shape
    ring = ((0, 0), (radius, radius), (radius, radius), (0, 0))
    keys, flows = jnp.pad(key, ring), jnp.pad(flow, ring)
    begins = [(y + radius, x + radius) for x, y in offsets(radius).tolist()]
    logits = [jnp.sum(query * keys[:, y : y + h, x : x + w], -1) for y, x in begins]
    weights = jax.nn.softmax(jnp.stack(logits, -1), -1)
    near = jnp.stack([flows[:, y : y + h, x : x + w] for y, x in begins], 3)
    return jnp.einsum("bhwo,bhwoc->bhwc", weights, near, precision="highest")
