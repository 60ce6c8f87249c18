"""Read and write numbers and points as words: `12.5`, `120,80`, `12%`."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

LIMIT = 1e6  # pixels; larger than any picture, and far from float32's overflow


def number(text: str, where: str) -> float:
    """Read a number, at most a million in size.

    Raises:
        ValueError: it is no such number; the message begins with `where`.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not abs(value) <= LIMIT:  # NaN, too
        raise ValueError(
            f"{where}={text!r} is no number up to {LIMIT:,.0f}; expected one like 12 or -3.5"
        )
    return value


def points(words: Sequence[str], where: str) -> Float64[np.ndarray, "n 2"]:
    """Read points (x, y), each a word `x,y`.

    Raises:
        ValueError: a word is no point; the message begins with `where`.
    """
    pairs = []
    for word in words:
        pair = word.split(",")
        if len(pair) != 2:
            raise ValueError(f"{where}={word!r} is no point; expected x,y like 120,80")
        pairs.append([number(coordinate, where) for coordinate in pair])
    return np.array(pairs, np.float64).reshape(-1, 2)


def percent(share: float, digits: int) -> str:
    """Format a share, 0 to 1, as "12%", with `digits` after the point.

    A small share that would be rounded to zero becomes "less than 1%".
    """
    least = 10.0 ** -(2 + digits)
    return f"less than {least:.{digits}%}" if 0 < share < least else f"{share:.{digits}%}"
