"""Strict conversion of RAFT weights: every array is used, every parameter is filled.

Three layouts are known, recognised by the names of their arrays: princeton-vl's checkpoints,
torchvision's, and our own, whose names are the parameter paths.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import DTypeLike

from flows import parameter_matching
from flows.nn import tracing
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
    """Build a RAFT from named arrays of any known layout; its parameters are float32.

    `statistics` is what the large model's batch normalisation uses (see `norms.BatchNorm`), `dtype`
    what the convolutions compute in. Raises one ValueError that lists every unknown array, every
    missing parameter, every wrong shape and every pair of copies that differ; or one that names
    the first array that is not of finite floats.
    """
    config = architecture(arrays)
    modules = module_table(arrays, config)
    check_numbers(arrays, modules)
    graph, params = filled(
        lambda: Network(config, statistics=statistics, dtype=dtype, rngs=tracing.rngs()),
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
    """Return the graph of the module that `make` makes, and its parameters from arrays, in float32.

    `make` is only traced. `modules` as for `place`. Raises one ValueError that lists all
    mismatches, with the network's name.
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
    """Recognise the small or the large model: only the large one has a second gated unit."""
    second_unit = ("gru.convz2.", "convgru2.convz.", "gates.1.update.")
    large = any(sign in name for name in arrays for sign in second_unit)
    return LARGE if large else SMALL


def check_numbers(arrays: Mapping[str, np.ndarray], modules: Mapping[str, str] | None) -> None:
    """Raise ValueError for the first needed array that holds something else than finite floats.

    `modules` as for `place`. PyTorch's batch norms also count batches, in integers: not needed.
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
    """Give each array to a parameter; return values by parameter path, and all mismatches in words.

    `modules` maps the file's module names to ours; None if names (and axes) are ours already.
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
    """Path of the parameter that a PyTorch name fills; "" if not needed, None if unknown."""
    module, _, leaf = name.rpartition(".")
    ours = modules.get(module)
    if ours is None:
        return None
    kind = "norm" if ours.endswith(".norm") else "conv"
    parameter = PARAMETER_OF_LEAF[kind].get(leaf)
    return f"{ours}.{parameter}" if parameter else parameter


def to_our_axes(array: np.ndarray) -> np.ndarray:
    """Transpose PyTorch's kernels [out, in, …] to […, in, out]; leave vectors as they are."""
    return parameter_matching.our_axes(array) if array.ndim > 1 else array


def their_axes(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return PyTorch's shape of an array that `to_our_axes` brings to `shape`."""
    return parameter_matching.their_axes(shape) if len(shape) > 1 else shape


def to_arrays(params: Params) -> dict[str, np.ndarray]:
    """Return the parameters by path: our own layout, which `build` reads."""
    pairs = nnx.to_flat_state(params)
    return {join(path): np.asarray(variable.get_value()) for path, variable in pairs}


def join(path: Path) -> str:
    """Join the parts of a parameter's path with dots."""
    return ".".join(str(part) for part in path)
