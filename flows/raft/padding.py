"""Images of any size to sides that are multiples of 8, and flows back."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from flows.raft.config import SMALLEST, STRIDE


def margins(side: int, multiple: int = STRIDE) -> tuple[int, int]:
    """Pixels to add before and after a side: half each, the odd one after."""
    missing = -side % multiple
    return missing // 2, missing - missing // 2


def pad(image: Float[Array, "b h w c"]) -> Float[Array, "b h8 w8 c"]:
    """Repeat the border until both sides are multiples of 8.

    Raises ValueError when a side is under 128 pixels, where the coarsest correlation is empty.
    """
    _, height, width, _ = image.shape
    if min(height, width) < SMALLEST:
        raise ValueError(
            f"RAFT got an image of {width}x{height} pixels; it needs at least {SMALLEST}x{SMALLEST}"
            " (enlarge the image, and divide the flow by the same factor)"
        )
    return jnp.pad(image, ((0, 0), margins(height), margins(width), (0, 0)), mode="edge")


def crop(
    flow: Float[Array, "b h8 w8 2"], height: int, width: int, multiple: int = STRIDE
) -> Float[Array, "b h w 2"]:
    """Undo `pad` for an image of that height and width."""
    top, left = margins(height, multiple)[0], margins(width, multiple)[0]
    return flow[:, top : top + height, left : left + width]
