"""What a user may not expect of a motion: shadows left behind, cut-off and hidden objects.

All is found on a reduced grid, since a rough share is enough.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8
from scipy import ndimage

from flows import masks, nearest
from flows.motions import leaving
from mg_jax import images

_SIDE = 256  # of a square with the reduced grid's area, pixels
_PART = 0.01  # least share of what moves that counts as an object
_NEAR, _FAR = 0.6, 1.2  # rings around what moves, over its size: a shadow's, and its ground's
_RIM = 2.0  # reduced pixels beside what moves that may belong to it
_DARKER = 0.2, 0.85  # a shadow's brightness, over its ground's
_NIGHT = 0.1  # brightness of a ground, of 1, on which no shadow is seen
_CLEAR = 2.0  # deviations of the ground by which a shadow is darker
_TINT = 0.05  # largest difference of the shares of red, green and blue
_CUT = 0.1  # least share of the object's height or width that lies along the picture's edge
_INWARD = 1 / 64  # least motion away from an edge, as a share of the picture's size


class Small(NamedTuple):
    """A photo and its motion on a reduced grid."""

    image: Float[np.ndarray, "h w 3"]  # 0 to 1
    flow: Float[np.ndarray, "h w 2"]  # reduced pixels
    parts: Int[np.ndarray, "h w"]  # objects, 1 and up; 0 at rest


def reduced(
    image: UInt8[np.ndarray, "H W 3"],
    flow: Float[np.ndarray, "H W 2"],
    order: Int[np.ndarray, "H W"] | None,
) -> Small:
    """Reduce a photo and its motion; objects are those of `order`, or connected parts."""
    step = max(1, round(np.sqrt(flow.shape[0] * flow.shape[1]) / _SIDE))
    middle = slice(step // 2, None, step)
    small = flow[middle, middle] / step
    box = images.box(image / np.float32(255), small.shape[:2])
    moving = masks.moving(small)
    if order is None or not order.any():
        parts, _ = ndimage.label(moving, np.ones((3, 3)))
    else:
        parts = np.where(moving, order[middle, middle], 0)
    sizes = np.bincount(parts.ravel())
    return Small(box, small, np.where(sizes[parts] >= _PART * moving.sum(), parts, 0))


def shadow(small: Small) -> float:
    """Area of what may be the shadow of what moves and rests, over the area of what moves.

    A shadow is darker than the ground farther away, of the same tint, and begins at the object.
    """
    moving = small.parts > 0
    size = np.sqrt(moving.sum())
    away = nearest.distance(moving)
    near, far = away <= _NEAR * size, (away > _NEAR * size) & (away <= _FAR * size)
    if not far.any() or not moving.any():
        return 0.0
    smooth = ndimage.gaussian_filter(small.image, (1, 1, 0))
    light = smooth.mean(axis=-1)
    ground, spread = float(np.median(light[far])), float(light[far].std())
    if ground < _NIGHT:
        return 0.0
    tint = np.median(smooth[far], axis=0) / (3 * ground)
    alike = np.abs(smooth / np.maximum(3 * light, 1e-3)[..., None] - tint).max(axis=-1) <= _TINT
    dark = (light >= _DARKER[0] * ground) & (light <= _DARKER[1] * ground)
    dark &= alike & (light <= ground - _CLEAR * spread) & near & ~moving
    beside = away <= _RIM
    found = ndimage.binary_propagation(beside & dark, mask=dark)
    return float((found & ~beside).sum() / moving.sum())


def hidden(small: Small) -> float:
    """Largest share of one object's place of arrival that others, above it, cover."""
    places = [
        masks.destination(np.where((small.parts == part)[..., None], small.flow, 0))
        for part in np.unique(small.parts[small.parts > 0])
    ]
    shares = [
        (place & np.any(places[i + 1 :], axis=0)).sum() / max(1, place.sum())
        for i, place in enumerate(places[:-1])
    ]
    return float(max(shares, default=0.0))


def gone(small: Small) -> float:
    """Largest share of one object that leaves the picture."""
    return max(
        (leaving(small.flow, small.parts == part) for part in np.unique(small.parts) if part),
        default=0.0,
    )


def cut_off(small: Small) -> list[str]:
    """The picture's edges that cut off what moves, and from which it moves away."""
    flow, moving = small.flow, small.parts > 0
    if not moving.any() or (moving.all(axis=0).any() and moving.all(axis=1).any()):
        return []  # the whole picture moves
    rows, columns = moving.any(axis=1).sum(), moving.any(axis=0).sum()
    least = _INWARD * np.sqrt(moving.size)
    edges = {
        "left": (moving[:, 0], flow[:, 0, 0], rows),
        "right": (moving[:, -1], -flow[:, -1, 0], rows),
        "upper": (moving[0], flow[0, :, 1], columns),
        "lower": (moving[-1], -flow[-1, :, 1], columns),
    }
    return [
        name
        for name, (cut, inward, length) in edges.items()
        if (cut & (inward > least)).sum() >= max(1, _CUT * length)
    ]
