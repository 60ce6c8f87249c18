"""Fill our networks' parameters, strictly, from a checkpoint of any kind."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mg_jax.checkpoints import parts
from mg_jax.checkpoints.parts import Params, Part
from mg_jax.models.stable_diffusion.config import Config
from mg_jax.models.stable_diffusion.unet import UNet
from mg_jax.models.stable_diffusion.vae import VAE
from mg_jax.models.text.encoder import TextEncoder


class Weights(NamedTuple):
    """The parameters of the three networks, each as `nnx.merge` takes them."""

    unet: Params
    vae: Params
    text: Params


@dataclass(frozen=True)
class Checkpoint:
    """The content of a checkpoint; no array has been read yet."""

    kind: str  # in words, for messages
    config: Config
    unet: Part
    vae: Part
    text: Part
    unused: Mapping[str, int]  # number of known arrays that are not needed, by sort
    files: tuple[Path, ...]  # of weights
    tokenizer: Path | None  # its folder
    assumed: bool = False  # True if the prediction type is not stated and was assumed


@cache
def shapes(config: Config) -> Weights:
    """The networks' parameters without their values: `jax.ShapeDtypeStruct`s."""
    # Traced separately: the time of a trace grows with the square of its length.
    return Weights(
        _shapes(lambda rngs: UNet(config.unet, dtype=jnp.float32, rngs=rngs)),
        _shapes(lambda rngs: VAE(config.vae, dtype=jnp.float32, rngs=rngs)),
        _shapes(lambda rngs: TextEncoder(config.text, dtype=jnp.float32, rngs=rngs)),
    )


def _shapes(build: Callable[[nnx.Rngs], nnx.Module]) -> Params:
    return nnx.state(nnx.eval_shape(lambda: build(nnx.Rngs(0))))


def fill(
    checkpoint: Checkpoint, *, dtype: DTypeLike, sharding: jax.sharding.Sharding | None = None
) -> Weights:
    """Read all parameters as `dtype`, one array at a time, placed with `sharding`.

    Raises, before any array is read, one ValueError that lists every unknown array, every missing
    parameter, every wrong shape or type; later one for values that are not finite.
    """
    wanted = shapes(checkpoint.config)
    networks = (checkpoint.unet, checkpoint.vae, checkpoint.text)
    origins, faults = [], []
    for network, part, params in zip(wanted._fields, networks, wanted, strict=True):
        names, wrong = parts.match(part, params)
        origins.append(names)
        faults += [f"{network}: {fault}" for fault in wrong]
    if faults:
        raise ValueError("these weights do not fit:\n  " + "\n  ".join(faults))
    filled = [
        parts.fill(params, part, names, dtype=dtype, sharding=sharding)
        for params, part, names in zip(wanted, networks, origins, strict=True)
    ]
    return Weights(*filled)
