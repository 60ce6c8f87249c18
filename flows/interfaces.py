"""What an optical flow network is, to whoever uses one."""

from typing import Any, Protocol, runtime_checkable

from jaxtyping import Array, Float


@runtime_checkable
class FlowNetwork(Protocol):
    """A network's parameters, and pure functions of given parameters and images.

    Parameters are an argument, so that a jitted caller passes arrays instead of baking them in as
    constants. Images are NHWC floats in [-1, 1] of any size that the network is content with, flows
    (dx, dy) in pixels: where each pixel of the first image is found in the second. All functions
    can be jitted, mapped and differentiated with respect to images and parameters, and raise
    ValueError for images that they cannot take.
    """

    @property
    def params(self) -> Any:
        """A pytree of arrays."""

    def __hash__(self) -> int:
        """By identity: programs are compiled and kept for each network."""

    def features(self, params: Any, first: Float[Array, "b h w 3"]) -> Any:
        """All that depends on the first image only, as a pytree: computed once for many flows."""

    def flow_from(
        self,
        params: Any,
        source: Any,
        second: Float[Array, "b h w 3"],
        updates: int = ...,
        start: Float[Array, "b h w 2"] | None = None,
    ) -> Float[Array, "b h w 2"]:
        """Flow from the image that `source` was computed of to `second`.

        An iterative network refines its estimate `updates` times, from `start` or from no motion.
        Others read neither.
        """

    def flow(
        self,
        params: Any,
        first: Float[Array, "b h w 3"],
        second: Float[Array, "b h w 3"],
        updates: int = ...,
    ) -> Float[Array, "b h w 2"]:
        """Flow from `first` to `second`: `features`, then `flow_from`."""
