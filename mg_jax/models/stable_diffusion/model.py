"""Stable Diffusion as a `Model`: weights by name, path or already loaded."""

import functools
from collections.abc import Sequence
from typing import Any

from jax.sharding import Mesh

from flows import raft
from flows.interfaces import FlowNetwork
from mg_jax import devices, networks
from mg_jax.interfaces import ModelResult, Request
from mg_jax.models.stable_diffusion import batch, guided, loading
from mg_jax.models.stable_diffusion.loading import StableDiffusion
from mg_jax.models.stable_diffusion.settings import StableDiffusionSettings
from mg_jax.sample import Phases


class GuidedStableDiffusion:
    """Stable Diffusion 1.x or 2.x, guided as in the paper.

    `name` is a diffusers folder, an original .safetensors or .ckpt, a folder by
    `experiments.convert_weights`, or a hub id, which is read when it is needed. With `loaded`
    weights it is only the name in metrics and messages.
    """

    settings = StableDiffusionSettings()
    accepts = frozenset({"prompt", "replay", "settings", "energy"})

    def __init__(self, name: str, loaded: StableDiffusion | None = None):
        self.name = name
        self._loaded = loaded

    def check(self, request: Request) -> None:
        """Load the weights and the flow network.

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
        self._weights(request)

    def edit(self, request: Request) -> Phases[ModelResult]:
        """Invert the photo (and optimise null texts) if the settings say so, then sample."""
        (result,) = yield from self.edit_batch([request])
        return result

    def form(self, request: Request) -> dict[str, Any]:
        """Collect what must be equal in the requests of a batch."""
        return batch.form(request)

    def edit_batch(self, requests: Sequence[Request]) -> Phases[list[ModelResult]]:
        """Edit several photos in one program, on the devices of the first request."""
        flow_network, weights = self._flow_network(requests[0]), self._weights(requests[0])
        return (yield from guided.edit(requests, flow_network, weights))

    def _flow_network(self, request: Request) -> FlowNetwork:
        settings = batch.settings_of(request)
        statistics: raft.Statistics = "batch" if settings.flow_statistics == "batch" else "running"
        return networks.flow_network(request.flow_model, statistics, settings.dtype)

    def _weights(self, request: Request) -> StableDiffusion:
        return self._loaded or read(self.name, batch.settings_of(request).dtype, request.mesh)


@functools.lru_cache(maxsize=1)
def read(source: str, dtype: str, mesh: Mesh | None) -> StableDiffusion:
    """Load the weights of a source, as `dtype`, onto all devices; the latest ones are cached.

    Raises:
        ValueError: as for `loading.load`; the message begins "model: ".
    """
    try:
        return loading.load(source, dtype=dtype, sharding=devices.everywhere(mesh))
    except ValueError as error:
        raise ValueError(f"model: {error}") from error
