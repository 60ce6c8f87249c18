"""Large photos are edited at a bounded size; the edit is carried up by copying the photo's pixels.

So cost depends on the working size, not on the camera. The edit says of each of its pixels where in
the photo it comes from: the large photo's pixels are copied from there, with all their detail, and
differences of colour are added.
"""

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from scipy import ndimage

from flows import fitting
from flows.motion import Motion
from mg_jax import images
from mg_jax.models.patch.copying import neighbours
from mg_jax.models.patch.motion import LayeredMotion, layered

LARGEST = 1280 * 960
"""Area, in pixels, up to which a photo is edited at its own size."""

_AT_ONCE = 1 << 20  # pixels copied at once
_ROUNDING = 1.5  # levels of 255; smaller differences of colour are none


def work_shape(height: int, width: int) -> tuple[int, int]:
    """Height and width at which a photo is edited: its own, or with the largest area."""
    shrink = min(1.0, (LARGEST / (height * width)) ** 0.5)
    return max(1, round(height * shrink)), max(1, round(width * shrink))


def work_motion(
    photo: UInt8[np.ndarray, "H W 3"], asked: Motion, order: Int[np.ndarray, "H W"] | None
) -> LayeredMotion:
    """Derive the motion that is carried out, as `layered` does, at the photo's working size."""
    full = (photo.shape[0], photo.shape[1])
    height, width = work_shape(*full)
    if (height, width) == full:
        return layered(photo, asked, order)
    small = Motion(fitting.fit(asked.flow, height, width))
    below = None if order is None else fitting.nearest(order, height, width)
    return layered(work_photo(photo, (height, width)), small, below)


def work_photo(
    photo: UInt8[np.ndarray, "H W 3"], shape: tuple[int, ...]
) -> UInt8[np.ndarray, "h w 3"]:
    """The photo at its working size."""
    return photo if photo.shape[:2] == shape else images.resize(photo, *shape)


def work_region(region: Bool[np.ndarray, "H W"], shape: tuple[int, ...]) -> Bool[np.ndarray, "h w"]:
    """An edit region at the working size: the pixels that touch it."""
    if region.shape == shape:
        return region
    share = images.box(region[..., None].astype(np.float32), (shape[0], shape[1]))
    return np.asarray(share[..., 0] > 0)


def region_of(
    photo: UInt8[np.ndarray, "H W 3"],
    motion: LayeredMotion,
    keep_mask: Bool[np.ndarray, "H W"] | None = None,
) -> Bool[np.ndarray, "H W"]:
    """Where an edit may change the photo: not in the keep mask, by default around the motion."""
    if keep_mask is not None:
        return ~keep_mask
    return fitting.nearest(motion.region, photo.shape[0], photo.shape[1])


def enlarged(
    photo: UInt8[np.ndarray, "H W 3"],
    region: Bool[np.ndarray, "H W"],
    small: UInt8[np.ndarray, "h w 3"],
    origin: Float[np.ndarray, "h w 2"],
) -> UInt8[np.ndarray, "H W 3"]:
    """Carry an edit at the working size up to the photo's, inside `region`.

    `origin` is where in the photo, (row, column) at the working size, each of its pixels comes
    from. Each of the four nearest ones to a large pixel proposes the photo's pixel at its own
    whole-pixel offset, in its own colour; the result is their bilinear mean.
    """
    shape = origin.shape[:2]
    if shape == photo.shape[:2]:
        return np.where(region[..., None], small, photo)
    shown = np.stack(
        [
            ndimage.map_coordinates(channel, np.moveaxis(origin, -1, 0), order=1, mode="nearest")
            for channel in np.moveaxis(work_photo(photo, shape).astype(np.float32), -1, 0)
        ],
        axis=-1,
    )
    tone = small - shown
    tone[np.abs(tone).max(axis=-1) <= _ROUNDING] = 0
    scale = np.array(photo.shape[:2]) / np.array(shape)
    here = np.moveaxis(np.indices(shape), 0, -1)
    offset = np.rint((origin - here) * scale).astype(np.int64)
    last = np.array(photo.shape[:2]) - 1
    out = photo.copy()
    places = np.flatnonzero(region)
    for part in np.array_split(places, max(1, places.size // _AT_ONCE)):
        y, x = np.divmod(part, photo.shape[1])
        total = np.zeros((part.size, 3), np.float32)
        for i, share_y in neighbours(y, scale[0], shape[0]):
            for j, share_x in neighbours(x, scale[1], shape[1]):
                from_y = np.clip(y + offset[i, j, 0], 0, last[0])
                from_x = np.clip(x + offset[i, j, 1], 0, last[1])
                share = (share_y * share_x)[:, None]
                total += share * (photo[from_y, from_x] + tone[i, j])
        out[y, x] = np.clip(np.rint(total), 0, 255).astype(np.uint8)
    return out
