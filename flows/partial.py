"""Carry out a part of a motion, for the frames of a film."""

import numpy as np
from jaxtyping import Bool, Complex, Float, Int
from scipy import ndimage

_LEAST = 0.1  # what shrinks by more shrinks along straight lines, as magnifications' powers vanish


def partial(
    flow: Float[np.ndarray, "h w 2"],
    moving: Bool[np.ndarray, "h w"],
    share: float,
    order: Int[np.ndarray, "h w"] | None = None,
) -> Float[np.ndarray, "h w 2"]:
    """Carry out a share of a motion: 0 none of it, 1 all.

    A turned object turns by degrees, and does not shrink through its middle as a multiple of its
    flow would: each object's similarity z → az + b (turn, magnification, shift) is done for `share`
    of its time, with a to the power of `share`, so that its fixed point rests. What is left of the
    flow is scaled, and turned with it.

    Args:
        flow: pixels (dx, dy).
        moving: the pixels that belong to objects; all others rest.
        share: from 0 to 1.
        order: the object of each pixel, 1 and up; None: connected parts are objects.
    """
    parts = ndimage.label(moving, np.ones((3, 3)))[0] if order is None else order * moving
    out = np.zeros(flow.shape, flow.dtype)
    for number in range(1, int(parts.max(initial=0)) + 1):
        y, x = np.nonzero(parts == number)
        if not x.size:
            continue
        start = x + 1j * y
        moved = flow[y, x, 0] + 1j * flow[y, x, 1]
        slope = _turn(start, moved)
        shift = moved.mean() + start.mean() * (1 - slope)
        rest = (start + moved - slope * start - shift) / slope
        rate = np.log(slope)
        whole = np.expm1(rate)
        done = np.expm1(share * rate)
        ratio = share if abs(whole) < 1e-9 else done / whole
        place = (1 + done) * (start + share * rest) + shift * ratio
        out[y, x] = np.stack([(place - start).real, (place - start).imag], axis=-1)
    return out


def _turn(start: Complex[np.ndarray, " n"], moved: Complex[np.ndarray, " n"]) -> complex:
    """The turn and magnification a of the affine motion z → az + cz̄ + b nearest to a flow.

    It is 1 where there is none: a mirror, or what shrinks to almost nothing.
    """
    away = start - start.mean()
    columns = np.stack([away, np.conj(away)], axis=1)
    (turn, mirrored), *_ = np.linalg.lstsq(columns, moved - moved.mean())
    turn = complex(1 + turn)
    return turn if abs(turn) > max(_LEAST, abs(mirrored)) else complex(1)
