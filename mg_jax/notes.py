"""Warnings about requests that are valid but may be a mistake."""

from flows import parsing
from mg_jax.interfaces import Request


class EditWarning(UserWarning):
    """Warning by `mg_jax.edit` that an argument may be a mistake."""


def for_request(request: Request) -> list[str]:
    """List what may be a mistake in a request, one line each.

    What was decided in reading its arguments, pixels that move out of the picture, or a keep mask
    that covers a part of the motion.
    """
    noted = list(request.notes)
    motion = request.motion
    if motion.leaving > 0:
        noted.append(f"{parsing.percent(motion.leaving, 0)} of the moved pixels leave the picture")
    if request.keep_mask is not None:
        kept = request.keep_mask[motion.touched].mean()
        if kept > 0:
            share = parsing.percent(float(kept), 0)
            noted.append(f"{share} of where the motion is stays, by the mask")
    return noted
