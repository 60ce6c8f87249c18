"""The interface of an optical flow network."""

from typing import Any, Protocol, runtime_checkable

from jaxtyping import Array, Float


@runtime_checkable
class FlowNetwork(Protocol):
    """A network's parameters, and pure functions of given parameters and images.

    Parameters are an argument, so that a jitted caller passes arrays instead of baking them in as
    constants. Images are NHWC floats in [-1, 1] of any size that the network accepts; flows are
    (dx, dy) in pixels: where each pixel of the first image is found in the second. All functions
    work under `jit`, `vmap` and `grad` (by images and parameters), and raise ValueError for images
    that they cannot take.
    """

    @property
    def params(self) -> Any:
        """A pytree of arrays."""

    def __hash__(self) -> int:
        """Hash by identity: compiled programs are cached per network."""

    def features(self, params: Any, first: Float[Array, "b h w 3"]) -> Any:
        """Compute what depends on the first image only, as a pytree, once for many flows."""

    def flow_from(
        self,
        params: Any,
        source: Any,
        second: Float[Array, "b h w 3"],
        updates: int = ...,
        start: Float[Array, "b h w 2"] | None = None,
    ) -> Float[Array, "b h w 2"]:
        """Flow from the image that `source` was computed from to `second`.

        An iterative network refines its estimate `updates` times, from the flow `start` (pixels) or
        from zero. Other networks ignore both.
        """

    def flow(
        self,
        params: Any,
        first: Float[Array, "b h w 3"],
        second: Float[Array, "b h w 3"],
        updates: int = ...,
    ) -> Float[Array, "b h w 2"]:
        """Flow from `first` to `second`: `features`, then `flow_from`."""
