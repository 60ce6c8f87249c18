"""The motion that is carried out for a flow: faded out at joints, and split into layers."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int, UInt8

from flows import masks, nearest
from flows.motion import Motion
from mg_jax import images
from mg_jax.models.patch import joints, layers


class LayeredMotion(NamedTuple):
    """A motion of a photo's pixels as it is carried out, with its layers."""

    flow: Float32[np.ndarray, "H W 2"]  # pixels; continued where joints follow
    moving: Bool[np.ndarray, "H W"]  # what moves, and what rests in its middle (`masks.solid`)
    landed: Bool[np.ndarray, "H W"]  # where it lands
    order: Int[np.ndarray, "H W"]  # layer of each pixel, 0 the background; higher ones lie on top

    @property
    def region(self) -> Bool[np.ndarray, "H W"]:
        """Where an edit may change the picture by default: a margin around the motion."""
        reach = masks.margin(self.flow)
        return np.asarray(nearest.distance(self.moving | self.landed) <= reach)


def layered(
    photo: UInt8[np.ndarray, "H W 3"],
    asked: Motion,
    order: Int[np.ndarray, "H W"] | None = None,
) -> LayeredMotion:
    """Derive the motion that is carried out from the one that is `asked` for.

    `order` labels the layers, higher ones on top; if not known, it is found by `layers.order`.
    """
    carried = Motion(joints.faded(images.to_float(photo), asked.flow))
    moving = carried.solid
    if order is None or not order.any():
        order = layers.order(moving)
    else:  # pixels that follow at a joint belong to the nearest layer
        order = np.where(moving, nearest.value(order, order > 0), 0)
    return LayeredMotion(carried.flow, moving, carried.destination, order)
