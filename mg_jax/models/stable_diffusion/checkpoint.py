"""Fill our networks' parameters, strictly, from a checkpoint of any kind."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from flows.nn import tracing
from mg_jax.checkpoints import parts
from mg_jax.checkpoints.parts import Params, Part
from mg_jax.models.stable_diffusion import leftovers
from mg_jax.models.stable_diffusion.config import Config, Prediction, UNetConfig, VAEConfig
from mg_jax.models.stable_diffusion.unet import UNet
from mg_jax.models.stable_diffusion.vae import VAE
from mg_jax.models.text.config import TextConfig
from mg_jax.models.text.encoder import TextEncoder


class Weights(NamedTuple):
    """The parameters of the three networks, each as `nnx.merge` takes them."""

    unet: Params
    vae: Params
    text: Params


@dataclass(frozen=True)
class Origin:
    """Where weights are from, and what was decided about them."""

    kind: str  # of checkpoint, in words
    prediction: Prediction
    prediction_by: str  # how that was found out, in words
    size: int  # that the model was trained on, pixels
    notes: tuple[str, ...] = ()  # what may surprise, one line each
    left_out: Mapping[str, int] = field(default_factory=dict)  # number of arrays, by sort

    def lines(self) -> list[str]:
        """What a user should be told, one line each."""
        found = (
            f"{self.kind}; its UNet predicts {self.prediction} ({self.prediction_by});"
            f" its own size is {self.size}"
        )
        left = ", ".join(f"{sort} ({count})" for sort, count in self.left_out.items())
        return [found, *self.notes, *([f"left out: {left}"] if left else [])]


@dataclass(frozen=True)
class Checkpoint:
    """The content of a checkpoint; no parameter has been read yet."""

    kind: str  # in words, for messages
    config: Config
    unet: Part
    vae: Part
    text: Part
    files: tuple[Path, ...]  # of weights
    tokenizer: Path | None  # its folder
    prediction_by: str  # how was found out what the UNet predicts, in words
    size: int  # that the model was trained on, pixels
    notes: tuple[str, ...] = ()  # what may surprise, one line each
    others: tuple[str, ...] = ()  # names of arrays, or of what a trainer stored, of no network

    @property
    def unused(self) -> dict[str, int]:
        """Number of arrays that are not needed, by sort."""
        wanted = shapes(self.config)
        names = [*self.others]
        for part, params in zip((self.unet, self.vae, self.text), wanted, strict=True):
            names += parts.left_out(part, params)
        return leftovers.counted(names)

    @property
    def origin(self) -> Origin:
        """What is to be told of it."""
        decided = self.config.prediction, self.prediction_by
        return Origin(self.kind, *decided, self.size, self.notes, self.unused)


@cache
def shapes(config: Config) -> Weights:
    """The networks' parameters without their values: `jax.ShapeDtypeStruct`s."""
    return Weights(_unet(config.unet), _vae(config.vae), _text(config.text))


@cache
def _unet(config: UNetConfig) -> Params:
    return _shapes(lambda rngs: UNet(config, dtype=jnp.float32, rngs=rngs))


@cache
def _vae(config: VAEConfig) -> Params:
    return _shapes(lambda rngs: VAE(config, dtype=jnp.float32, rngs=rngs))


@cache
def _text(config: TextConfig) -> Params:
    return _shapes(lambda rngs: TextEncoder(config, dtype=jnp.float32, rngs=rngs))


def _shapes(build: Callable[[nnx.Rngs], nnx.Module]) -> Params:
    return nnx.state(nnx.eval_shape(lambda: build(tracing.rngs())))


def fill(
    checkpoint: Checkpoint, *, dtype: DTypeLike, sharding: jax.sharding.Sharding | None = None
) -> Weights:
    """Read all parameters as `dtype`, one array at a time, placed with `sharding`.

    Raises, before any array is read, one ValueError that lists every missing or doubled parameter,
    every wrong shape or type, and every array that would change what a network computes; later one
    that lists every array whose values are not finite.
    """
    given = {"unet": checkpoint.unet, "vae": checkpoint.vae, "text": checkpoint.text}
    return Weights(*_filled(given, shapes(checkpoint.config)._asdict(), dtype, sharding))


def fill_vae(
    vae: Part,
    config: VAEConfig,
    *,
    dtype: DTypeLike,
    sharding: jax.sharding.Sharding | None = None,
) -> Params:
    """Read an autoencoder's parameters alone; as `fill` does."""
    (filled,) = _filled({"vae": vae}, {"vae": _vae(config)}, dtype, sharding)
    return filled


def _filled(
    given: Mapping[str, Part],
    wanted: Mapping[str, Params],
    dtype: DTypeLike,
    sharding: jax.sharding.Sharding | None,
) -> list[Params]:
    """Read the parameters of networks by name."""
    origins, faults = [], []
    for network, params in wanted.items():
        names, wrong = parts.match(given[network], params)
        origins.append(names)
        faults += [f"{network}: {fault}" for fault in wrong]
    if faults:
        raise ValueError("these weights do not fit:\n  " + "\n  ".join(faults))
    filled = []
    for (network, params), names in zip(wanted.items(), origins, strict=True):
        try:
            filled.append(parts.fill(params, given[network], names, dtype=dtype, sharding=sharding))
        except ValueError as error:
            faults.append(str(error))
    if faults:
        raise ValueError("; ".join(faults))
    return filled
