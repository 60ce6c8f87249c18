"""Strict conversion of published RAFT weights: each array is used, each parameter is filled.

Three layouts are known, told apart by the names of their arrays: princeton-vl's checkpoints,
torchvision's, and our own, the parameter paths themselves.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import DTypeLike

from flows import parameter_matching
from flows.raft.config import LARGE, SMALL, Config
from flows.raft.layouts import PARAMETER_OF_LEAF, module_table
from flows.raft.model import Network, Params, Raft
from flows.raft.norms import Statistics

Path = tuple[Any, ...]
M = TypeVar("M", bound=nnx.Module)


def build(
    arrays: Mapping[str, np.ndarray],
    *,
    statistics: Statistics = "running",
    dtype: DTypeLike = jnp.float32,
) -> Raft:
    """Return the network that named arrays of any known layout hold, parameters in float32.

    `statistics` is what the large model's batch normalisation uses, `dtype` what the convolutions
    compute in. Raises one ValueError that lists every array without a place, every parameter
    without an array, every wrong shape and every pair of copies that differ; or one that names the
    first array of something else than finite floats.
    """
    config = architecture(arrays)
    modules = module_table(arrays, config)
    check_numbers(arrays, modules)
    graph, params = filled(
        lambda: Network(config, statistics=statistics, dtype=dtype, rngs=nnx.Rngs(0)),
        arrays,
        modules,
        f"RAFT {config.name}",
    )
    return Raft(config, graph, params)


def filled(
    make: Callable[[], M],
    arrays: Mapping[str, np.ndarray],
    modules: Mapping[str, str] | None,
    network: str,
) -> tuple[nnx.GraphDef[M], Params]:
    """Return the structure of what `make` makes, and its parameters from arrays, in float32.

    `modules` as for `place`. Raises one ValueError that lists all faults, with the network's name.
    """
    graph, shapes = nnx.split(nnx.eval_shape(make))
    flat = dict(nnx.to_flat_state(shapes))
    wanted = {join(path): variable.shape for path, variable in flat.items()}
    values, faults = place(arrays, wanted, modules)
    if faults:
        listed = "\n  ".join(faults)
        raise ValueError(f"these weights do not fit {network}:\n  {listed}")
    pairs = [
        (path, variable.replace(jnp.asarray(values[join(path)], jnp.float32)))
        for path, variable in flat.items()
    ]
    return graph, nnx.from_flat_state(pairs)


def architecture(arrays: Mapping[str, np.ndarray]) -> Config:
    """Tell the small from the large model: only the large one has a second gated unit."""
    second_unit = ("gru.convz2.", "convgru2.convz.", "gates.1.update.")
    large = any(sign in name for name in arrays for sign in second_unit)
    return LARGE if large else SMALL


def check_numbers(arrays: Mapping[str, np.ndarray], modules: Mapping[str, str] | None) -> None:
    """Raise ValueError at the first array of use that holds something else than finite floats.

    `modules` as for `place`. Batch norms count their batches, in integers: that is of no use.
    """
    for name, array in arrays.items():
        if modules is not None and not destination(name, modules):
            continue
        if not jnp.issubdtype(array.dtype, jnp.floating):
            raise ValueError(f"{name}: holds {array.dtype}; expected finite floats")
        with np.errstate(over="ignore"):  # too large for float32: infinite, and refused
            finite = np.isfinite(array.astype(np.float32))
        if not finite.all():
            raise ValueError(f"{name}: holds NaN or infinite numbers; expected finite floats")


def place(
    arrays: Mapping[str, np.ndarray],
    wanted: Mapping[str, tuple[int, ...]],
    modules: Mapping[str, str] | None,
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Give each array to a parameter; return the values by path, and all faults in words.

    `modules` leads from the file's module names to ours; None when names are ours already.
    """
    own = modules is None
    names, faults = parameter_matching.place(
        {name: array.shape for name, array in arrays.items()},
        {path: (shape if own else their_axes(shape),) for path, shape in wanted.items()},
        lambda name: name if modules is None else destination(name, modules),
    )
    faults += [
        f"{copy}: differs from {first}, of which it should be a copy"
        for first, *copies in names.values()
        for copy in copies
        if not np.array_equal(arrays[first], arrays[copy])
    ]
    values = {path: arrays[first] for path, (first, *_) in names.items()}
    return {path: v if own else to_our_axes(v) for path, v in values.items()}, faults


def destination(name: str, modules: Mapping[str, str]) -> str | None:
    """Path of the parameter that a PyTorch name fills; "" if it is of no use, None if unknown."""
    module, _, leaf = name.rpartition(".")
    ours = modules.get(module)
    if ours is None:
        return None
    kind = "norm" if ours.endswith(".norm") else "conv"
    parameter = PARAMETER_OF_LEAF[kind].get(leaf)
    return f"{ours}.{parameter}" if parameter else parameter


def to_our_axes(array: np.ndarray) -> np.ndarray:
    """PyTorch's kernels [out, in, …] as […, in, out]; vectors as they are."""
    return parameter_matching.our_axes(array) if array.ndim > 1 else array


def their_axes(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape that `to_our_axes` makes `shape` of."""
    return parameter_matching.their_axes(shape) if len(shape) > 1 else shape


def to_arrays(params: Params) -> dict[str, np.ndarray]:
    """Name each parameter by its path: our own layout, which `build` reads back."""
    pairs = nnx.to_flat_state(params)
    return {join(path): np.asarray(variable.get_value()) for path, variable in pairs}


def join(path: Path) -> str:
    """Write a parameter's path with dots."""
    return ".".join(str(part) for part in path)
