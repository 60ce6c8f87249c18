"""What a flow asks of a photo: the motion that is carried out, and what lies on top."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int, UInt8

from flows import masks, nearest
from flows.motion import Motion
from mg_jax import images
from mg_jax.models.patch import joints, layers


class LayeredMotion(NamedTuple):
    """A motion of a photo's pixels as it is carried out, and what lies on top."""

    flow: Float32[np.ndarray, "H W 2"]  # with what follows at joints
    moving: Bool[np.ndarray, "H W"]  # what moves, and what rests in its middle
    landed: Bool[np.ndarray, "H W"]  # where it lands
    order: Int[np.ndarray, "H W"]  # layer of each pixel, 0 the ground; later ones lie on top

    @property
    def region(self) -> Bool[np.ndarray, "H W"]:
        """Where an edit may change the picture."""
        reach = masks.margin(self.flow)
        return np.asarray(nearest.distance(self.moving | self.landed) <= reach)


def understood(
    photo: UInt8[np.ndarray, "H W 3"],
    asked: Motion,
    order: Int[np.ndarray, "H W"] | None = None,
) -> LayeredMotion:
    """The motion that is asked for; `order` says which layers lie on top, where it is known."""
    carried = Motion(joints.faded(images.to_float(photo), asked.flow))
    moving = carried.solid
    if order is None or not order.any():
        order = layers.order(moving)
    else:  # what follows at a joint belongs to what it follows
        order = np.where(moving, nearest.value(order, order > 0), 0)
    return LayeredMotion(carried.flow, moving, carried.destination, order)
