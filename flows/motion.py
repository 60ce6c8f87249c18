"""A motion of a picture's pixels, and the masks that follow from it, each computed once."""

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from flows import geometry, masks, motions, nearest


@dataclass(frozen=True, eq=False)
class Motion:
    """Where each pixel of a picture goes; what follows is computed on first use and cached."""

    flow: Float[np.ndarray, "h w 2"]  # pixels (dx, dy)

    @functools.cached_property
    def moving(self) -> Bool[np.ndarray, "h w"]:
        """The pixels that move."""
        return masks.moving(self.flow)

    @functools.cached_property
    def solid(self) -> Bool[np.ndarray, "h w"]:
        """The pixels that move, and those at rest in their middle: see `masks.solid`."""
        return masks.solid(self.flow)

    @functools.cached_property
    def destination(self) -> Bool[np.ndarray, "h w"]:
        """The pixels that moved content lands on: see `masks.destination`."""
        return masks.destination(self.flow)

    @functools.cached_property
    def touched(self) -> Bool[np.ndarray, "h w"]:
        """The pixels that content leaves or lands on."""
        return np.asarray(self.moving | self.destination)

    @functools.cached_property
    def region(self) -> Bool[np.ndarray, "h w"]:
        """Where an edit may change the picture by default: `near` with `masks.margin`."""
        return self.near(masks.margin(self.flow))

    @functools.cached_property
    def background(self) -> Bool[np.ndarray, "h w"]:
        """Where a perfect edit changes nothing: outside `touched`, dilated by 3x3.

        The metric `background_l1` is measured here.
        """
        return ~np.asarray(ndimage.binary_dilation(self.touched, np.ones((3, 3), bool)))

    def near(self, margin_px: float) -> Bool[np.ndarray, "h w"]:
        """The pixels at most `margin_px` pixels (Euclidean) from what is touched.

        `touched` holds the area that content leaves, since something must be invented there; the
        margin leaves room for shadows and seams.
        """
        return np.asarray(nearest.distance(self.touched) <= margin_px)

    @functools.cached_property
    def visible(self) -> Bool[np.ndarray, "h w"]:
        """The source pixels that the paper's colour loss uses: see `geometry.occlusion_mask`."""
        return np.asarray(_occlusion_mask(jnp.asarray(self.flow, jnp.float32)))

    @functools.cached_property
    def leaving(self) -> float:
        """Share of the moving pixels that leave the picture, 0 to 1."""
        return motions.leaving(self.flow, self.moving)


_occlusion_mask = jax.jit(geometry.occlusion_mask)
