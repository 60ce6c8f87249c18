"""A photo to try things on, with a mask of what can be moved in it."""

from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8

from mg_jax import images

_MASK = Path(__file__).parent / "data" / "coffee_mask.png"
_NARROWEST = 24  # pixels: 16 rows, the fewest that an edit takes


def coffee(
    width: int = 600,
) -> tuple[UInt8[np.ndarray, "h {width} 3"], Bool[np.ndarray, "h {width}"]]:
    """Load the photo of a cup of coffee that scikit-image ships, and the mask of the cup.

    The photo is by Rachel Michetti, courtesy of Pikolo Espresso Bar (CC0). The mask, drawn by hand,
    selects the cup, the spoon and the saucer with their shadow.

    Args:
        width: pixels, 24 or more. The original has 600 x 400; other widths keep its proportions.

    Raises:
        ValueError: the width is out of range.
    """
    if width < _NARROWEST:
        raise ValueError(f"width: {width}; expected at least {_NARROWEST}")
    from skimage import data  # takes long to import

    photo: np.ndarray = data.coffee()  # type: ignore[no-untyped-call]
    if width != photo.shape[1]:
        photo = images.resize(photo, round(width * photo.shape[0] / photo.shape[1]), width)
    return photo, images.read_mask(_MASK, photo.shape[:2])
