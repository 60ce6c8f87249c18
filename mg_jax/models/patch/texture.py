"""How rough a picture is, place by place.

Colours alone prefer what is smooth: a blurred patch fits nearly everywhere. So patches are compared
by the mean steepness round them, too (Newson et al. 2014, "Video Inpainting of Complex Scenes").
"""

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from mg_jax import images

_BLUR = 2.0  # cells
_LEAST = 1e-3  # share of known pixels round a cell below which nothing is told


def texture(
    picture: Float[np.ndarray, "H W 3"], known: Bool[np.ndarray, "H W"], shape: tuple[int, int]
) -> Float[np.ndarray, "h w 2"]:
    """Mean steepness down and across round each cell of a grid, of the known pixels alone."""
    grey = picture.mean(axis=-1)
    sure = ndimage.binary_erosion(known, np.ones((3, 3)), border_value=1)[..., None]
    steep = np.stack([np.abs(np.gradient(grey, axis=axis)) for axis in (0, 1)], axis=-1)
    total, share = (
        ndimage.gaussian_filter(images.box(cells, shape), (_BLUR, _BLUR, 0), mode="nearest")
        for cells in (np.where(sure, steep, 0), sure.astype(np.float32))
    )
    return np.asarray(total / np.maximum(share, _LEAST))
