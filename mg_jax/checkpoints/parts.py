"""Fill one network's parameters from named arrays, strictly."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Shaped

from flows import parameter_matching
from mg_jax.checkpoints.arrays import Stored

Params = nnx.State[Any, Any]

Layout = Callable[[str], tuple[str, ...]]
"""Maps a parameter's path to the names that its array may have in a file."""

_FLOATS = ("float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2")


class Part(NamedTuple):
    """One network's arrays, and the function from our parameters' paths to their names.

    Arrays that no parameter has use for are left out, but not those whose names `inside` matches
    from the start: there they would change what the network computes. None matches all.
    """

    arrays: Mapping[str, Stored]
    layout: Layout
    inside: re.Pattern[str] | None = None


def paths(params: Params) -> dict[str, Any]:
    """Return the parameters by path, its parts joined with dots."""
    return {".".join(map(str, path)): variable for path, variable in nnx.to_flat_state(params)}


def match(part: Part, params: Params) -> tuple[dict[str, str], list[str]]:
    """Find each parameter's array; return array names by parameter path, and all mismatches.

    Mismatches are messages: unknown arrays that may not be left out, missing parameters, wrong
    shapes or dtypes, and parameters that two arrays fill.
    """
    wanted = {path: variable.shape for path, variable in paths(params).items()}
    owners = _owners(part, params)
    extra = set(left_out(part, params))
    names, faults = parameter_matching.place(
        {name: stored.shape for name, stored in part.arrays.items() if name not in extra},
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


def left_out(part: Part, params: Params) -> list[str]:
    """List the arrays that no parameter has use for, and that may be left out."""
    if part.inside is None:
        return []
    owners = _owners(part, params)
    return [name for name in part.arrays if name not in owners and not part.inside.match(name)]


def _owners(part: Part, params: Params) -> dict[str, str]:
    """The parameter of each name that an array may have."""
    return {name: path for path in paths(params) for name in part.layout(path)}


def _their_shapes(path: str, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """A parameter's possible shapes in PyTorch: a linear layer may be a 1x1 convolution there."""
    if not path.endswith(".kernel"):
        return [shape]
    theirs = parameter_matching.their_axes(shape)
    return [theirs] if len(shape) > 2 else [theirs, (*theirs, 1, 1)]


def fill(
    params: Params,
    part: Part,
    names: Mapping[str, str],
    *,
    dtype: DTypeLike,
    sharding: jax.sharding.Sharding | None = None,
) -> Params:
    """Read one network's parameters, as `dtype`, from the arrays that `match` found for them.

    Each is placed with `sharding` as soon as it is read. Raises ValueError, one line that names
    them all, for arrays whose values are not finite in that dtype.
    """
    kept = np.dtype(dtype)
    faults: list[str] = []

    def filled() -> Iterator[tuple[Any, Any]]:
        for (path, variable), name in zip(
            nnx.to_flat_state(params), (names[path] for path in paths(params)), strict=True
        ):
            value = _our_axes(part.arrays[name].read(), str(path[-1]), variable.shape)
            with np.errstate(over="ignore"):  # infinite values are refused below
                value = np.ascontiguousarray(value, kept)
            if not np.isfinite(value.astype(np.float32, copy=False)).all():
                faults.append(f"{name}: not all values are finite as {kept}; expected so")
            if not faults:
                yield path, variable.replace(_placed(value, sharding))

    state = nnx.from_flat_state(filled())
    if faults:
        raise ValueError("; ".join(faults))
    return state


def _placed(value: np.ndarray, sharding: jax.sharding.Sharding | None) -> Array:
    if sharding is None:
        placed: Array = jax.device_put(value)
    else:
        # Not device_put, which sends the value between processes to see whether all have the same.
        placed = jax.make_array_from_callback(value.shape, sharding, value.__getitem__)
    return placed


def _our_axes(
    array: Shaped[np.ndarray, "..."], leaf: str, shape: tuple[int, ...]
) -> Shaped[np.ndarray, "..."]:
    """Transpose PyTorch's kernels [out, in, …] to […, in, out]; leave the rest as it is."""
    if leaf != "kernel":
        return array
    return parameter_matching.our_axes(array).reshape(shape)
