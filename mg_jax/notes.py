"""Warnings about requests that are valid but may be a mistake."""

from collections.abc import Mapping
from typing import Any

from flows import parsing
from mg_jax import surprises
from mg_jax.interfaces import Request

_SHADOW = 0.08  # least area of a shadow, over that of what casts it
_HIDDEN = 0.1  # least share of an object that others hide
_LARGE = 1.5  # megapixels, from which size is told to take time
_SECONDS = 3  # a megapixel, on two cores: reading, copying, measuring and writing at full size
_MOST = 0.5  # share of an object beyond the frame, from which little of it is left


class EditWarning(UserWarning):
    """Warning by `mg_jax.edit` that an argument may be a mistake."""


def for_request(request: Request) -> list[str]:
    """List what may be a mistake in a request, one line each.

    What was decided in reading its arguments; the time that a large photo takes; pixels that move
    out of the picture; a shadow that stays behind; objects that the frame cuts off, or that hide
    each other; a keep mask that covers a part of the motion.
    """
    noted = list(request.notes)
    megapixels = request.image.shape[0] * request.image.shape[1] / 1e6
    if megapixels > _LARGE:
        noted.append(
            f"{megapixels:.0f} megapixels: worked on at a smaller size, and copied at full size;"
            f" about {_SECONDS * megapixels:.0f} s more than for one megapixel (on two cores)"
        )
    motion = request.motion
    if motion.leaving > 0:
        noted.append(f"{parsing.percent(motion.leaving, 0)} of the moved pixels leave the picture")
    small = surprises.reduced(request.image, request.flow, request.order)
    if surprises.gone(small) > _MOST:
        noted.append("of what moves, or of one object, less than a half stays in the picture")
    if (hidden := surprises.hidden(small)) >= _HIDDEN:
        share = parsing.percent(hidden, 0)
        noted.append(f"{share} of one object is hidden by others where they arrive")
    if edges := surprises.cut_off(small):
        edge = " and the ".join(edges)
        noted.append(f"what moves is cut off by the {edge} edge; what lies beyond is made up")
    if surprises.shadow(small) >= _SHADOW:
        noted.append("what looks like the shadow of what moves stays; the mask may take it along")
    if request.keep_mask is not None:
        kept = request.keep_mask[motion.touched].mean()
        if kept > 0:
            share = parsing.percent(float(kept), 0)
            noted.append(f"{share} of where the motion is stays, by the mask")
    return noted


def for_metrics(scores: Mapping[str, Any]) -> list[str]:
    """List what the metrics of a result cannot say, one line each."""
    if scores["flow_l1_px"] is not None:
        return []
    return [
        f"the flow network sees {scores['judged_moved']:.0%} of this motion even where it is"
        " perfect: how well it was met is not judged"
    ]
