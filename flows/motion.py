"""A motion of a picture's pixels, and what follows from it: each thing computed once."""

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
    """Where each pixel of a picture goes. What follows is computed when it is first asked for."""

    flow: Float[np.ndarray, "h w 2"]  # pixels (dx, dy)

    @functools.cached_property
    def moving(self) -> Bool[np.ndarray, "h w"]:
        """What moves."""
        return masks.moving(self.flow)

    @functools.cached_property
    def solid(self) -> Bool[np.ndarray, "h w"]:
        """What moves, and what rests in its middle: see `masks.solid`."""
        return masks.solid(self.flow)

    @functools.cached_property
    def destination(self) -> Bool[np.ndarray, "h w"]:
        """Where it lands."""
        return masks.destination(self.flow)

    @functools.cached_property
    def touched(self) -> Bool[np.ndarray, "h w"]:
        """What it leaves, and where it lands."""
        return np.asarray(self.moving | self.destination)

    @functools.cached_property
    def region(self) -> Bool[np.ndarray, "h w"]:
        """Where an edit may change the picture, unless it is told."""
        return self.near(masks.margin(self.flow))

    @functools.cached_property
    def background(self) -> Bool[np.ndarray, "h w"]:
        """What a perfect edit leaves alone: outside what is touched, widened by 3x3.

        The ruler's region for `background_l1`.
        """
        return ~np.asarray(ndimage.binary_dilation(self.touched, np.ones((3, 3), bool)))

    def near(self, margin_px: float) -> Bool[np.ndarray, "h w"]:
        """What is touched, widened by a margin, a Euclidean distance.

        What is left, because something must be invented there; the margin gives room for shadows
        and seams.
        """
        return np.asarray(nearest.distance(self.touched) <= margin_px)

    @functools.cached_property
    def visible(self) -> Bool[np.ndarray, "h w"]:
        """What the paper's colour loss may use: see `geometry.occlusion_mask`."""
        return np.asarray(_occlusion_mask(jnp.asarray(self.flow, jnp.float32)))

    @functools.cached_property
    def leaving(self) -> float:
        """Share of the moving pixels that leave the picture."""
        return motions.leaving(self.flow, self.moving)


_occlusion_mask = jax.jit(geometry.occlusion_mask)
