"""How a checkpoint is to be read, where it does not say so itself or something else is wanted."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import get_args

from mg_jax.models.stable_diffusion.config import Prediction

ASKED = "as asked for"
"""How a prediction was found out that the options give."""


@dataclass(frozen=True)
class LoadingOptions:
    """Choices for loading Stable Diffusion; by default a checkpoint is read as it says.

    Raises:
        ValueError: a value is out of range; the message begins with its name.
    """

    prediction: Prediction | None = None  # what the UNet predicts, whatever the checkpoint says
    vae: str | Path | None = None  # the autoencoder to use instead: a file, a folder or a hub id
    clip_skip: int = 1  # text layer to end with, counted from the last that is usual; 2: one less
    variant: str | None = None  # of a folder's weights: fp16, non_ema, …
    revision: str | None = None  # of a hub repository: a branch, tag or commit

    def __post_init__(self) -> None:
        """Check every range."""
        known = get_args(Prediction)
        if self.prediction not in (None, *known):
            raise ValueError(f"prediction: {self.prediction!r}; expected {' or '.join(known)}")
        if self.clip_skip < 1:
            raise ValueError(f"clip_skip: {self.clip_skip}; expected 1, which skips none, or more")

    @classmethod
    def names(cls) -> frozenset[str]:
        """The options' names, with which messages about them begin."""
        return frozenset(field.name for field in fields(cls))


AS_STORED = LoadingOptions()
"""A checkpoint as it says."""
