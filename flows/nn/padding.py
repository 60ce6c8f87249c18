"""Pad images of any size to sides that a network takes, and crop its flows accordingly."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped


def check_images(images: Shaped[Array, "..."], network: str, which: str, smallest: int) -> None:
    """Check for a batch of images: floats [b h w 3], at least `smallest` pixels a side.

    The range, [-1, 1], is not checked, since the values may be traced. The message names `network`
    and `which` of its images it is.

    Raises:
        ValueError: it is not such a batch.
    """
    floats = jnp.issubdtype(images.dtype, jnp.floating)
    if not floats or images.ndim != 4 or images.shape[3] != 3:
        raise ValueError(
            f"{network} got a {which} image of {images.dtype} {list(images.shape)};"
            " expected floats in [-1, 1] of shape [batch, height, width, 3]"
        )
    _, height, width, _ = images.shape
    if min(height, width) < smallest:
        raise ValueError(
            f"{network} got a {which} image of {width}x{height} pixels; it needs at least"
            f" {smallest}x{smallest} (enlarge the image, and divide the flow by the same factor)"
        )


def margins(side: int, multiple: int) -> tuple[int, int]:
    """Pixels to add before and after a side: half each, an odd one after."""
    missing = -side % multiple
    return missing // 2, missing - missing // 2


def pad(images: Float[Array, "b h w c"], multiple: int) -> Float[Array, "b height width c"]:
    """Pad by repeating the border pixels, until both sides are multiples of `multiple`."""
    _, height, width, _ = images.shape
    border = ((0, 0), margins(height, multiple), margins(width, multiple), (0, 0))
    return jnp.pad(images, border, mode="edge")


def crop(
    flow: Float[Array, "b _ _ 2"], height: int, width: int, multiple: int
) -> Float[Array, "b {height} {width} 2"]:
    """Undo `pad` for images of that height and width."""
    top, left = margins(height, multiple)[0], margins(width, multiple)[0]
    return flow[:, top : top + height, left : left + width]
