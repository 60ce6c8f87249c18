"""Fill holes from their rim, without any model (Telea 2004)."""

import numpy as np
from jaxtyping import Bool, UInt8

_REACH = 5.0  # pixels; the radius around a hole's pixel that it is filled from


def fill(
    picture: UInt8[np.ndarray, "h w 3"], holes: Bool[np.ndarray, "h w"]
) -> UInt8[np.ndarray, "h w 3"]:
    """Fill a picture's holes by OpenCV's fast marching method."""
    import cv2  # takes long to import

    filled: np.ndarray = np.asarray(
        cv2.inpaint(picture, holes.astype(np.uint8), _REACH, cv2.INPAINT_TELEA)
    )
    return filled
