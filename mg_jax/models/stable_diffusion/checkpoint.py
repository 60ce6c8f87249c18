"""A checkpoint of any kind, and the strict way from it to the parameters of our networks."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Shaped

from flows import placing
from mg_jax.models.stable_diffusion.arrays import Stored
from mg_jax.models.stable_diffusion.config import Config
from mg_jax.models.stable_diffusion.layouts import Layout
from mg_jax.models.stable_diffusion.text import TextEncoder
from mg_jax.models.stable_diffusion.unet import UNet
from mg_jax.models.stable_diffusion.vae import VAE

Params = nnx.State[Any, Any]

_FLOATS = ("float64", "float32", "float16", "bfloat16")


class Weights(NamedTuple):
    """The parameters of the three networks, each as `nnx.merge` takes them."""

    unet: Params
    vae: Params
    text: Params


class Part(NamedTuple):
    """One network's arrays, and how their names follow from our parameters' paths."""

    arrays: Mapping[str, Stored]
    layout: Layout


@dataclass(frozen=True)
class Checkpoint:
    """What was found; no array has been read yet."""

    kind: str  # in words
    config: Config
    unet: Part
    vae: Part
    text: Part
    unused: Mapping[str, int]  # known arrays that are no parameters: how many of each sort
    files: tuple[Path, ...]  # of weights
    tokenizer: Path | None  # folder
    assumed: bool = False  # the prediction was, as nothing told it


@cache
def shapes(config: Config) -> Weights:
    """The networks' parameters without their values: `jax.ShapeDtypeStruct`s."""
    # Apart from each other: the time of one trace grows with the square of its length.
    return Weights(
        _shapes(lambda rngs: UNet(config.unet, dtype=jnp.float32, rngs=rngs)),
        _shapes(lambda rngs: VAE(config.vae, dtype=jnp.float32, rngs=rngs)),
        _shapes(lambda rngs: TextEncoder(config.text, dtype=jnp.float32, rngs=rngs)),
    )


def _shapes(build: Callable[[nnx.Rngs], nnx.Module]) -> Params:
    return nnx.state(nnx.eval_shape(lambda: build(nnx.Rngs(0))))


def paths(params: Params) -> dict[str, Any]:
    """Parameters by path, written with dots."""
    return {".".join(map(str, path)): one for path, one in nnx.to_flat_state(params)}


def fill(
    checkpoint: Checkpoint, *, dtype: DTypeLike, sharding: jax.sharding.Sharding | None = None
) -> Weights:
    """Read every parameter from its array, one at a time, as `dtype` and to where it belongs.

    Raises one ValueError that lists every array without a place, every parameter without an array,
    every wrong shape or type, before any array is read; and one for values that are not finite.
    """
    wanted = shapes(checkpoint.config)
    parts = (checkpoint.unet, checkpoint.vae, checkpoint.text)
    origins, faults = [], []
    for network, part, params in zip(wanted._fields, parts, wanted, strict=True):
        names, wrong = match(part, params)
        origins.append(names)
        faults += [f"{network}: {fault}" for fault in wrong]
    if faults:
        raise ValueError("these weights do not fit:\n  " + "\n  ".join(faults))
    filled = [
        fill_part(params, part, names, dtype=dtype, sharding=sharding)
        for params, part, names in zip(wanted, parts, origins, strict=True)
    ]
    return Weights(*filled)


def match(part: Part, params: Params) -> tuple[dict[str, str], list[str]]:
    """Name of the array for each parameter, and all faults in words."""
    wanted = {path: variable.shape for path, variable in paths(params).items()}
    owners = {name: path for path in wanted for name in part.layout(path)}
    names, faults = placing.place(
        {name: stored.shape for name, stored in part.arrays.items()},
        {path: _their_shapes(path, shape) for path, shape in wanted.items()},
        owners.get,
    )
    for path, (first, *others) in names.items():
        faults += [f"{path}: {first} and {other} both fill it" for other in others]
    used = {name for several in names.values() for name in several}
    faults += [
        f"{name}: holds {stored.dtype}, expected floats"
        for name, stored in part.arrays.items()
        if name in used and stored.dtype not in _FLOATS
    ]
    return {path: first for path, (first, *_) in names.items()}, faults


def _their_shapes(path: str, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Shapes of a parameter in PyTorch's axes: a linear layer may be a 1x1 convolution there."""
    if not path.endswith(".kernel"):
        return [shape]
    *window, inputs, outputs = shape
    return [(outputs, inputs, *window)] + ([] if window else [(outputs, inputs, 1, 1)])


def fill_part(
    params: Params,
    part: Part,
    names: Mapping[str, str],
    *,
    dtype: DTypeLike,
    sharding: jax.sharding.Sharding | None = None,
) -> Params:
    """Read one network's parameters from the arrays that `match` found for them.

    Raises ValueError, one line, for values that are not finite.
    """
    kept = np.dtype(dtype)

    def filled() -> Iterator[tuple[Any, Any]]:
        for (path, variable), name in zip(
            nnx.to_flat_state(params), (names[path] for path in paths(params)), strict=True
        ):
            value = _our_axes(part.arrays[name].read(), str(path[-1]), variable.shape)
            with np.errstate(over="ignore"):  # told below
                value = np.ascontiguousarray(value, kept)
            if not np.isfinite(value.astype(np.float32, copy=False)).all():
                raise ValueError(f"{name}: not all values are finite as {kept}; expected so")
            yield path, variable.replace(jax.device_put(value, sharding))

    return nnx.from_flat_state(filled())


def _our_axes(
    array: Shaped[np.ndarray, "..."], leaf: str, shape: tuple[int, ...]
) -> Shaped[np.ndarray, "..."]:
    """PyTorch's kernels [out, in, …] as […, in, out]; all else as it is."""
    if leaf != "kernel":
        return array
    return np.moveaxis(array, (1, 0), (-2, -1)).reshape(shape)
