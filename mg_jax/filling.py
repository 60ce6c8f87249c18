"""Fill holes from their rim, without any model (Telea 2004)."""

import numpy as np
from jaxtyping import Bool, UInt8

from flows import nearest, warping
from flows.motion import Motion

_REACH = 5.0  # pixels; the radius around a hole's pixel that it is filled from
# Pixels around an object that may hold its soft rim; they must not be smeared into what it leaves.
_RIM = 3.0


def fill(
    picture: UInt8[np.ndarray, "h w 3"], holes: Bool[np.ndarray, "h w"]
) -> UInt8[np.ndarray, "h w 3"]:
    """Fill a picture's holes by OpenCV's fast marching method."""
    import cv2  # takes long to import

    filled: np.ndarray = np.asarray(
        cv2.inpaint(picture, holes.astype(np.uint8), _REACH, cv2.INPAINT_TELEA)
    )
    return filled


def carried_out(source: UInt8[np.ndarray, "h w 3"], motion: Motion) -> UInt8[np.ndarray, "h w 3"]:
    """Warp the moving pixels forward over the rest of the photo, filled where content has left."""
    rests = fill(source, nearest.distance(motion.solid) <= _RIM)
    landed = motion.destination[..., None]
    return np.where(landed, warping.forward(source, motion).picture, rests)
