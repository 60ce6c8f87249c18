"""The flag of programs that save a run while it is made."""

from absl import flags

from mg_jax.checkpoint import EVERY
from mg_jax.settings import Settings

_every = flags.DEFINE_integer(
    "checkpoint_every",
    None,
    "Save the run after so many levels, so that the same command goes on after a stop; 0: never"
    f" (patch: 0, since an edit takes seconds; Stable Diffusion: {EVERY}).",
    lower_bound=0,
)


def every(settings: Settings) -> int:
    """After how many levels a run is saved, 0: never; by default as usual for its model."""
    return settings.CHECKPOINT_EVERY if _every.value is None else _every.value
