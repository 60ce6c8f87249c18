"""What a motion is made of: points and a map that displaces them."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

Points = Float[np.ndarray, "_ 2"]  # (x, y) in pixels

# From all of an object's points to their displacements (dx, dy) in pixels. A ValueError says that
# the motion does not suit this object: one line, what is wrong; what is expected.
Displacement = Callable[[Points], Points]


def positive(value: float, name: str) -> None:
    """Refuse a factor that is not above 0."""
    if value <= 0:
        raise ValueError(f"{name}={value:g}; expected a factor above 0")
