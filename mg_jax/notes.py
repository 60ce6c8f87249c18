"""What may not be meant, and is done all the same: one line each."""

from flows import parsing
from mg_jax.interfaces import Request


class EditWarning(UserWarning):
    """A note on an edit, given to those who call `mg_jax.edit`."""


def of(request: Request) -> list[str]:
    """Notes on a request: a motion out of the picture, a mask over it."""
    noted = []
    motion = request.motion
    if motion.leaving > 0:
        noted.append(f"{parsing.percent(motion.leaving, 0)} of the moved pixels leave the picture")
    if request.keep_mask is not None:
        kept = request.keep_mask[motion.touched].mean()
        if kept > 0:
            share = parsing.percent(float(kept), 0)
            noted.append(f"{share} of where the motion is stays, by the mask")
    return noted
