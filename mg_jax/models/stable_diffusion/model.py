"""Stable Diffusion as a `Model`: weights by name, path or already loaded."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

from jax.sharding import Mesh

from flows import raft
from flows.interfaces import FlowNetwork
from mg_jax import devices, networks
from mg_jax.interfaces import ModelResult, Request
from mg_jax.models.stable_diffusion import batch, guided, loading
from mg_jax.models.stable_diffusion.checkpoint import Weights
from mg_jax.models.stable_diffusion.loading import StableDiffusion
from mg_jax.models.stable_diffusion.options import AS_STORED, LoadingOptions
from mg_jax.models.stable_diffusion.settings import StableDiffusionSettings
from mg_jax.sample import Phases


class GuidedStableDiffusion:
    """Stable Diffusion 1.x or 2.x, guided as in the paper.

    `name` is a diffusers folder, an original .safetensors or .ckpt, a folder by
    `experiments.convert_weights`, or a hub id, which is read with `options` when it is needed. With
    `loaded` weights it is only the name in metrics and messages.
    """

    settings = StableDiffusionSettings()
    accepts = frozenset({"prompt", "replay", "settings", "energy"})

    def __init__(
        self,
        name: str,
        loaded: StableDiffusion | None = None,
        options: LoadingOptions = AS_STORED,
    ):
        self.name = name
        self._given = loaded
        self._options = options

    def check(self, request: Request) -> Request:
        """Load the weights and the flow network; the model's own size is filled in.

        Raises:
            ValueError: one of them cannot be read, and the message names the file; or a setting
                makes samples depend on each other, while they lie on several devices.
        """
        settings = batch.settings_of(request)
        for name, alone in (("clip_over", "sample"), ("flow_statistics", "running")):
            if request.mesh is not None and getattr(settings, name) == "batch":
                raise ValueError(
                    f"{name}: batch, for samples on {request.mesh.size} devices;"
                    f" expected {alone}, or one device"
                )
        recorded = request.replay is not None and request.replay.recording is not None
        if recorded and request.mesh is not None and request.keys.size > 1:
            raise ValueError(
                f"replay: recorded noise, for samples on {request.mesh.size} devices;"
                " expected one device"
            )
        self._flow_network(request)
        own = self._loaded(request).size
        size = settings.size or own
        return dataclasses.replace(request, settings=dataclasses.replace(settings, size=size))

    def edit(self, request: Request) -> Phases[ModelResult]:
        """Invert the photo (and optimise null texts) if the settings say so, then sample."""
        (result,) = yield from self.edit_batch([request])
        return result

    def form(self, request: Request) -> dict[str, Any]:
        """Collect what must be equal in the requests of a batch."""
        return batch.form(request)

    def edit_batch(self, requests: Sequence[Request]) -> Phases[list[ModelResult]]:
        """Edit several photos in one program, on the devices of the first request."""
        flow_network, weights = self._flow_network(requests[0]), self._loaded(requests[0])
        return (yield from guided.edit(requests, flow_network, weights))

    def weights(self, request: Request) -> tuple[Weights, str]:
        """Its parameters and configuration (see `mg_jax.interfaces.Weighted`)."""
        return self._loaded(request).identity

    def loaded(self, dtype: str, mesh: Mesh | None = None) -> StableDiffusion:
        """Return the weights as `dtype`, on all devices of `mesh`, read if they have not been.

        Raises:
            ValueError: as for `read`.
        """
        return self._given or read(self.name, dtype, self._options, mesh)

    def _flow_network(self, request: Request) -> FlowNetwork:
        settings = batch.settings_of(request)
        statistics: raft.Statistics = "batch" if settings.flow_statistics == "batch" else "running"
        return networks.flow_network(request.flow_model, statistics, settings.dtype)

    def _loaded(self, request: Request) -> StableDiffusion:
        return self.loaded(batch.settings_of(request).dtype, request.mesh)


@functools.lru_cache(maxsize=1)
def read(
    source: str, dtype: str, options: LoadingOptions = AS_STORED, mesh: Mesh | None = None
) -> StableDiffusion:
    """Load the weights of a source, as `dtype`, onto all devices; the latest ones are cached.

    Raises:
        ValueError: as for `loading.load`; it begins with the option's name, else "model: ".
    """
    try:
        return loading.load(source, options, dtype=dtype, sharding=devices.everywhere(mesh))
    except ValueError as error:
        if str(error).partition(":")[0] in options.names():
            raise
        raise ValueError(f"model: {error}") from error
