"""Random keys for networks that are only traced, for the shapes of their parameters."""

import jax
from flax import nnx


class _OneKey(nnx.RngStream):
    """A stream of one key."""

    def __call__(self) -> jax.Array:
        return self.key[...]


def rngs() -> nnx.Rngs:
    """Return keys for a network that is built inside `nnx.eval_shape`, where numbers do not matter.

    All are one key. The usual stream counts its keys in a variable, and flax's update of a traced
    variable searches through all that was traced before: the time of a trace grows with the square
    of the number of layers.
    """
    streams = nnx.Rngs()
    streams.params = _OneKey(0, tag="params")  # type: ignore[attr-defined]  # streams are set so
    return streams
