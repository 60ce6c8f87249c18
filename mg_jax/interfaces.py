"""What may be brought along: a diffusion prior, and what an edit asks of it.

The small callables (`Denoiser`, `Decoder`, `Energy`, `Noise`) stand in `mg_jax.types`.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Array, Bool, Float, Float32, Int, Key, UInt8

from flows.motion import Motion
from mg_jax.networks import Named
from mg_jax.sample import Phases
from mg_jax.settings import Settings
from mg_jax.types import Energy


@dataclass(frozen=True)
class Request:
    """An edit, checked."""

    model: "Model"
    image: UInt8[np.ndarray, "H W 3"]
    motion: Motion  # what is asked of each pixel
    seed: int  # of the first sample
    keys: Key[Array, " b"]  # of the samples' noise
    settings: Settings  # the model's own
    ramp: Float[np.ndarray, " levels"]  # multiplies the guidance weight
    flow_model: Named  # that guides, and judges
    prompt: str = ""
    keep_mask: Bool[np.ndarray, "H W"] | None = None  # True = the picture stays
    order: Int[np.ndarray, "H W"] | None = None  # of layers; 0 rests, the largest lies on top
    replay: Any = None  # what is repeated of another run, as the model has it
    energy: Energy | None = None  # in the place of the paper's

    @property
    def flow(self) -> Float[np.ndarray, "H W 2"]:
        """Where each pixel goes."""
        return self.motion.flow


class Edited(NamedTuple):
    """What a model came to."""

    images: UInt8[np.ndarray, "b H W 3"]  # of the photo's size
    region: Bool[np.ndarray, "H W"]  # where they might differ from the photo
    latents: Float32[np.ndarray, "b h w c"]  # the last ones; of a model without, [b 0 0 0]


@runtime_checkable
class Model(Protocol):
    """A diffusion prior that can be steered.

    A new one is an object with these attributes, given to `mg_jax.edit` as `model`, or under a name
    in `mg_jax.models.registry`.
    """

    @property
    def name(self) -> str:
        """As it is called in metrics and errors."""

    @property
    def settings(self) -> Settings:
        """What it is run with when nothing else is asked; an edit's are of the same class."""

    @property
    def reads(self) -> frozenset[str]:
        """Which of "prompt", "order", "replay", "energy" and "settings" it reads."""

    def check(self, request: Request) -> None:
        """Refuse what cannot be run, before any work is done.

        Raises:
            ValueError: one line that begins with the argument's name.
        """

    def edit(self, request: Request) -> Phases[Edited]:
        """Yield the walks over noise levels, each sent its last state; return the pictures."""
