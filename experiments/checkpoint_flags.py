"""The flag of programs that save a run while it is made."""

from pathlib import Path
from typing import NamedTuple

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


class Saving(NamedTuple):
    """Where a run is saved, and after how many levels."""

    folder: Path | None  # None: it is not
    every: int


def read(settings: Settings, folder: Path) -> Saving:
    """What the flag says, or else what is usual for the model of these settings."""
    every = settings.CHECKPOINT_EVERY if _every.value is None else _every.value
    return Saving(folder if every else None, every or EVERY)
