"""What a flow asks of a photo: the motion that is carried out, and what lies on top."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, UInt8

from flows import masks, nearest
from mg_jax import images
from mg_jax.models.internal import joints, layers


class Motion(NamedTuple):
    """A motion of a photo's pixels, made once and read by all that edit it."""

    flow: Float32[np.ndarray, "H W 2"]  # with what follows at joints
    order: Int[np.ndarray, "H W"]  # layer of each pixel, 0 the ground; later ones lie on top

    @property
    def region(self) -> Bool[np.ndarray, "H W"]:
        """Where an edit may change the picture."""
        return masks.edit_region(self.flow, masks.margin(self.flow))


def understood(
    photo: UInt8[np.ndarray, "H W 3"],
    flow: Float[np.ndarray, "H W 2"],
    order: Int[np.ndarray, "H W"] | None = None,
) -> Motion:
    """The motion that a flow asks for; `order` says which layers lie on top, where it is known."""
    carried = joints.faded(images.to_float(photo), flow)
    moving = masks.solid(carried)
    if order is None or not (order > 0).any():
        return Motion(carried, layers.order(carried))
    # What follows at a joint belongs to what it follows.
    return Motion(carried, np.where(moving, nearest.value(order, order > 0), 0))
