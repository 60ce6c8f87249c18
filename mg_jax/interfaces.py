"""The interface of a model (a diffusion prior), and the checked request that it edits.

The small callables (`Denoiser`, `Decoder`, `Energy`, `Noise`) are in `mg_jax.types`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float, Float32, Int, Key, UInt8

from flows.motion import Motion
from mg_jax.networks import Named
from mg_jax.photos import PLAIN, Original
from mg_jax.sample import Phases
from mg_jax.settings import Settings
from mg_jax.types import Energy


@dataclass(frozen=True)
class Request:
    """The checked arguments of an edit."""

    model: "Model"
    image: UInt8[np.ndarray, "H W 3"]
    motion: Motion  # where each pixel should go
    seed: int  # of the first sample
    keys: Key[Array, " b"]  # for the samples' noise, one each
    settings: Settings  # the model's own
    ramp: Float[np.ndarray, " levels"]  # multiplies the guidance weight at each level
    flow_model: Named  # guides the edit, and measures the result
    prompt: str = ""
    keep_mask: Bool[np.ndarray, "H W"] | None = None  # True: the pixel must not change
    order: Int[np.ndarray, "H W"] | None = None  # of layers; 0 rests, the largest lies on top
    replay: Any = None  # the parts of another run to repeat; its type is the model's own
    energy: Energy | None = None  # instead of the paper's
    original: Original = PLAIN  # what the photo holds besides `image`; results keep it
    notes: tuple[str, ...] = ()  # what was decided in reading the arguments, one line each
    mesh: Mesh | None = None  # the devices of the samples; None: one does everything
    padding: int = 0  # how many of the last keys are of no sample, but keep all devices alike

    @property
    def flow(self) -> Float[np.ndarray, "H W 2"]:
        """Where each pixel should go, (dx, dy) in pixels."""
        return self.motion.flow

    @property
    def samples(self) -> int:
        """How many results this process makes."""
        return self.keys.size - self.padding


class ModelResult(NamedTuple):
    """The result of a model."""

    images: UInt8[np.ndarray, "b H W 3"]  # of the photo's size
    region: Bool[np.ndarray, "H W"]  # where they may differ from the photo
    latents: Float32[np.ndarray, "b h w c"]  # the final ones; [b 0 0 0] if a model has none


@runtime_checkable
class Model(Protocol):
    """A diffusion prior that can be guided.

    A new one is an object with these attributes. Pass it to `mg_jax.edit` as `model`, or give it a
    name in `mg_jax.models.registry`.
    """

    @property
    def name(self) -> str:
        """Its name in metrics and error messages."""

    @property
    def settings(self) -> Settings:
        """The default settings; an edit's settings must be of the same class."""

    @property
    def accepts(self) -> frozenset[str]:
        """The optional arguments it takes, of "prompt", "order", "replay", "energy", "settings"."""

    def check(self, request: Request) -> Request:
        """Refuse a request that cannot be run, before any work is done; return it.

        What only the model knows is filled in: settings that are None.

        Raises:
            ValueError: one line that begins with the argument's name.
        """

    def edit(self, request: Request) -> Phases[ModelResult]:
        """Run the edit as a generator (see `mg_jax.sample.Phases`).

        Yields each walk over noise levels, is sent its last state, and returns the pictures.
        """


@runtime_checkable
class Weighted(Protocol):
    """A model with weights of its own, so that a saved run does not go on with others."""

    def weights(self, request: Request) -> Any:
        """A pytree of all arrays, and texts, that an edit depends on besides the request."""


@runtime_checkable
class BatchModel(Model, Protocol):
    """A model that can run several edits in one program; `mg_jax.edit_batch` uses it so."""

    def form(self, request: Request) -> dict[str, Any]:
        """Collect what must be equal in the requests of a batch, by the name of the argument."""

    def edit_batch(self, requests: Sequence[Request]) -> Phases[list[ModelResult]]:
        """Run the edits as one generator; all samples lie on the devices of the first request."""


@runtime_checkable
class FilmModel(Model, Protocol):
    """A model whose frames of a film have something in common; `mg_jax.film` uses it so."""

    def film(self, request: Request, shares: Sequence[float]) -> Iterator[Phases[ModelResult]]:
        """Prepare what the frames share, then yield the edit of each share, 0 to 1, of the motion.

        One sample each.
        """
