"""All-pairs correlation and its lookup around a moving centre (RAFT, section 3.2).

The lookup is bilinear sampling, written as two contractions with interpolation weights ("tents"):
without a gather, its gradient needs no scatter. Outside the map all weights are 0, which amounts
to zero padding.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from flows.nn.precision import products, widened
from flows.raft.config import LEVELS

Pyramid = tuple[Float[Array, "b h w _ _"], ...]


def halve(x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c"]:
    """Mean over 2×2 blocks; an odd last row or column is dropped."""
    b, h, w, c = x.shape
    blocks = x[:, : h // 2 * 2, : w // 2 * 2].reshape(b, h // 2, 2, w // 2, 2, c)
    return blocks.mean((2, 4))


def pyramid(first: Float[Array, "b h w c"], second: Float[Array, "b h w c"]) -> Pyramid:
    """Correlate each feature of `first` with all of `second`, at four scales of `second`.

    RAFT averages the volume over its last two axes; here `second` is averaged before, which is the
    same, as the correlation is linear in it, and cheaper. Scaled by 1/sqrt(c). Computed in at least
    float32, and stored in the features' dtype, in which lookups are then done.
    """
    dtype = first.dtype
    first, second = widened(first) * (first.shape[-1] ** -0.5), widened(second)
    levels = []
    for level in range(LEVELS):
        if level > 0:
            second = halve(second)
        volume = jnp.einsum("bhwc,bijc->bhwij", first, second, precision="highest")
        levels.append(volume.astype(dtype))
    return tuple(levels)


def tents(
    centre: Float[Array, "b h w"], radius: int, size: int
) -> Float[Array, "b h w {2*radius+1} {size}"]:
    """Linear interpolation weights of pixels 0 … size−1 at centre + (−radius … radius)."""
    offsets = jnp.arange(-radius, radius + 1, dtype=centre.dtype)
    pixels = jnp.arange(size, dtype=centre.dtype)
    position = centre[..., None] + offsets.reshape(1, 1, 1, -1)
    return jnp.maximum(0.0, 1.0 - jnp.abs(position[..., None] - pixels.reshape(1, 1, 1, 1, -1)))


# Only the inputs are kept for the gradient: the tents are cheaper to recompute than to keep.
@partial(jax.checkpoint, static_argnums=2, prevent_cse=False)
def lookup(
    volumes: Pyramid, coordinates: Float[Array, "b h w 2"], radius: int
) -> Float[Array, "b h w c"]:
    """Sample each level in a (2·radius + 1)² window around the coordinates.

    `coordinates` are (x, y) in pixels of the finest level. The channels run over levels, then over
    x offsets, then over y offsets: the order that the published weights expect. Interpolation
    weights are computed in the coordinates' dtype, products in the volumes'.
    """
    b, h, w, _ = coordinates.shape
    windows = []
    precision = products(volumes[0].dtype)
    for level, volume in enumerate(volumes):
        centre = coordinates / 2**level
        along_x = tents(centre[..., 0], radius, volume.shape[4]).astype(volume.dtype)
        along_y = tents(centre[..., 1], radius, volume.shape[3]).astype(volume.dtype)
        rows = jnp.einsum("bhwyi,bhwij->bhwyj", along_y, volume, precision=precision)
        window = jnp.einsum("bhwxj,bhwyj->bhwxy", along_x, rows, precision=precision)
        windows.append(window.reshape(b, h, w, -1))
    return jnp.concatenate(windows, -1)
