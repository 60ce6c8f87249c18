"""Prepare photos for CLIP's vision transformer, as in its training."""

import numpy as np
from jaxtyping import Float32, UInt8

from mg_jax import images
from mg_jax.models.clip.config import Config


def prepare(
    image: UInt8[np.ndarray, "h w 3"], config: Config
) -> Float32[np.ndarray, "{config.vision.size} {config.vision.size} 3"]:
    """Resize so that the shorter side fits, crop the middle square, normalise the colours."""
    side, shorter = config.vision.size, min(image.shape[:2])
    height, width = (side * length // shorter for length in image.shape[:2])
    top, left = (height - side) // 2, (width - side) // 2
    square = images.resize(image, height, width)[top : top + side, left : left + side]
    mean, std = np.array(config.mean, np.float32), np.array(config.std, np.float32)
    return (square.astype(np.float32) / np.float32(255) - mean) / std
