"""Images of any size to whole windows of features."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

from flows.raft.padding import margins


def pad(image: Shaped[Array, "..."], name: str, multiple: int) -> Float[Array, "b height width 3"]:
    """Repeat an image's border until both sides are multiples of `multiple`.

    Raises ValueError when it is no batch of images in floats, or a side is under `multiple`;
    `name` says which image.
    """
    floats = jnp.issubdtype(image.dtype, jnp.floating)
    if not floats or image.ndim != 4 or image.shape[3] != 3:
        raise ValueError(
            f"GMFlow got a {name} image of {image.dtype} {list(image.shape)};"
            " expected floats in [-1, 1] of shape [batch, height, width, 3]"
        )
    _, height, width, _ = image.shape
    if min(height, width) < multiple:
        raise ValueError(
            f"GMFlow got a {name} image of {width}x{height} pixels; it needs at least"
            f" {multiple}x{multiple} (enlarge the image, and divide the flow by the same factor)"
        )
    border = ((0, 0), margins(height, multiple), margins(width, multiple), (0, 0))
    return jnp.pad(image, border, mode="edge")
