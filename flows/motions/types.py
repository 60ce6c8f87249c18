"""The types of motions: points, and functions that displace them."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

Points = Float[np.ndarray, "_ 2"]  # (x, y) in pixels

# Maps all of an object's points to their displacements (dx, dy) in pixels. Raises ValueError if the
# motion does not suit this object, with one line: what is wrong; what is expected.
Displacement = Callable[[Points], Points]


def positive(value: float, name: str) -> None:
    """Raise ValueError for a factor that is not above 0."""
    if value <= 0:
        raise ValueError(f"{name}={value:g}; expected a factor above 0")
