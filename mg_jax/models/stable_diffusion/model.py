"""Stable Diffusion as a `Model`: weights by name, path or already loaded."""

import dataclasses
import functools

from flows import raft
from flows.interfaces import FlowNetwork
from mg_jax import networks
from mg_jax.interfaces import ModelResult, Request
from mg_jax.models.stable_diffusion import guided, loading
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
            ValueError: one of them cannot be read; the message names the file.
        """
        self._flow_network(request)
        own, settings = self._loaded(request).size, guided.settings_of(request)
        size = settings.size or own
        return dataclasses.replace(request, settings=dataclasses.replace(settings, size=size))

    def edit(self, request: Request) -> Phases[ModelResult]:
        """Invert the photo (and optimise null texts) if the settings say so, then sample."""
        return (yield from guided.edit(request, self._flow_network(request), self._loaded(request)))

    def weights(self, request: Request) -> tuple[Weights, str]:
        """Its parameters and configuration (see `mg_jax.interfaces.Weighted`)."""
        return self._loaded(request).identity

    def loaded(self, dtype: str) -> StableDiffusion:
        """Return the weights as `dtype`, read if they have not been.

        Raises:
            ValueError: as for `read`.
        """
        return self._given or read(self.name, dtype, self._options)

    def _flow_network(self, request: Request) -> FlowNetwork:
        settings = guided.settings_of(request)
        statistics: raft.Statistics = "batch" if settings.flow_statistics == "batch" else "running"
        return networks.flow_network(request.flow_model, statistics, settings.dtype)

    def _loaded(self, request: Request) -> StableDiffusion:
        return self.loaded(guided.settings_of(request).dtype)


@functools.lru_cache(maxsize=1)
def read(source: str, dtype: str, options: LoadingOptions = AS_STORED) -> StableDiffusion:
    """Load the weights of a source, parameters as `dtype`; the latest ones are cached.

    Raises:
        ValueError: as for `loading.load`; it begins with the option's name, else "model: ".
    """
    try:
        return loading.load(source, options, dtype=dtype)
    except ValueError as error:
        if str(error).partition(":")[0] in options.names():
            raise
        raise ValueError(f"model: {error}") from error
