"""Samples over devices: which samples a process has, a mesh of devices, and programs on it.

Samples lie along the only axis of the mesh, `data`; weights are on every device. Samples do not
interact, so each device runs the program of one sample (`jax.shard_map`), for one after the other
of its own: no device waits for another, and memory does not grow with the number of samples. Where
the mesh is None, one device does everything, all samples at once, and the functions here return
what they are given.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Shaped

from mg_jax.types import Edit, Info, Problem, State

T = TypeVar("T")

AXIS = "data"

# Where the axis of samples is; Any, as they stand in trees in the place of arrays.
NOWHERE: Any = P()  # type: ignore[no-untyped-call]
FIRST: Any = P(AXIS)  # type: ignore[no-untyped-call]
SECOND: Any = P(None, AXIS)  # type: ignore[no-untyped-call]
THIRD: Any = P(None, None, AXIS)  # type: ignore[no-untyped-call]

STATE = State(FIRST, NOWHERE)
INFO = Info(THIRD, THIRD, THIRD, SECOND)  # of a `sample.scan`, fields [levels k b]


def problem(stored: bool, prompt: Any) -> Problem:
    """Partition specs of a `Problem`; `stored`: its source is a trajectory, [levels b h w c]."""
    edit = Edit(SECOND if stored else FIRST, FIRST, FIRST, FIRST)
    return Problem(NOWHERE, edit, FIRST, prompt)


def mesh(samples: int, wanted: int | None = None) -> Mesh | None:
    """Choose the devices for so many samples; None where one device does everything.

    A single sample is done by this process's first device. More are spread over all devices of all
    processes, or `wanted` devices of each; over no more devices than there are samples.

    Raises:
        ValueError: a process has fewer devices than are wanted, or there are more processes than
            samples.
    """
    here, processes = jax.local_device_count(), jax.process_count()
    if wanted is not None and not 1 <= wanted <= here:
        raise ValueError(f"devices: {wanted}; expected 1 to {here}, all of this process")
    if samples == 1:
        return None
    if samples < processes:
        raise ValueError(f"samples: {samples} for {processes} processes; expected one each or more")
    each = min(wanted or here, math.ceil(samples / processes))
    if each * processes == 1:
        return None
    chosen = [
        sorted(jax.local_devices(process), key=lambda device: device.id)[:each]
        for process in range(processes)
    ]
    # By process, whatever the topology: nothing is sent from one device to another.
    return Mesh(np.concatenate(chosen), (AXIS,))


def share(count: int) -> range:
    """Which of so many samples (or edits, or cases) this process has; all, if it is the only one.

    Each process has the same number, or one more.
    """
    number, processes = jax.process_index(), jax.process_count()
    return range(number * count // processes, (number + 1) * count // processes)


def padding(samples: int, mesh: Mesh | None) -> int:
    """How many samples this process must add to its share so that all devices have equally many."""
    if mesh is None:
        return 0
    here = int(mesh.local_mesh.size)
    most: int = math.ceil(samples / jax.process_count())
    return math.ceil(most / here) * here - len(share(samples))


def joined(parts: Sequence[T], specs: Any) -> T:
    """Join the samples of several trees of arrays; what has no axis of samples is the first's."""
    if len(parts) == 1:
        return parts[0]

    def join(spec: P, *trees: Any) -> Any:
        if spec == NOWHERE:
            return trees[0]
        return jax.tree.map(lambda *leaves: _concatenated(leaves, _axis(spec)), *trees)

    found: T = jax.tree.map(join, specs, *parts)
    return found


def put(tree: T, mesh: Mesh | None, specs: Any) -> T:
    """Place arrays on the mesh; `specs` is a tree of partition specs, or the beginning of one.

    The axis of samples holds this process's own samples, padding included.
    """
    if mesh is None:
        arrays: T = jax.tree.map(jnp.asarray, tree)
        return arrays

    def on(spec: P, part: Any) -> Any:
        return jax.tree.map(lambda leaf: _placed(leaf, NamedSharding(mesh, spec)), part)

    placed: T = jax.tree.map(on, specs, tree)
    return placed


def everywhere(mesh: Mesh | None) -> NamedSharding | None:
    """The sharding of weights: whole on every device of the mesh."""
    return None if mesh is None else NamedSharding(mesh, NOWHERE)


def spread(
    program: Callable[..., T], mesh: Mesh | None, arguments: tuple[Any, ...], results: Any
) -> Callable[..., T]:
    """Make a program run on each device with its own samples; not jitted.

    `arguments` and `results` are partition specs, as for `put`.
    """
    if mesh is None:
        return program
    mapped: Callable[..., T] = jax.shard_map(
        _one_by_one(program, arguments, results),
        mesh=mesh,
        in_specs=arguments,
        out_specs=results,
        check_vma=False,
    )
    return mapped


def local(array: Array) -> Shaped[np.ndarray, "..."]:
    """Read an array: of one that spans processes, this process's samples."""
    if array.is_fully_addressable or array.is_fully_replicated:
        return np.asarray(array)
    assert isinstance(array.sharding, NamedSharding)
    axis = _axis(array.sharding.spec)
    shards = sorted(array.addressable_shards, key=lambda shard: shard.index[axis].start)
    return np.concatenate([np.asarray(shard.data) for shard in shards], axis)


def first(tree: T) -> T:
    """Return arrays that every device has, as this process's first device has them; not copied."""
    found: T = jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)
    return found


def _one_by_one(
    program: Callable[..., T], arguments: tuple[Any, ...], results: Any
) -> Callable[..., T]:
    """Make a program of one sample run for all samples of a device, one after the other.

    Then memory does not grow with their number, and hardly any rounding depends on it.
    """

    def sample(spec: P, part: Any, index: Array) -> Any:
        if spec == NOWHERE:
            return part
        return jax.tree.map(lambda x: jax.lax.dynamic_slice_in_dim(x, index, 1, _axis(spec)), part)

    def together(spec: P, part: Any) -> Any:
        if spec == NOWHERE:
            return jax.tree.map(lambda x: x[0], part)
        return jax.tree.map(
            lambda x: jnp.moveaxis(x.squeeze(_axis(spec) + 1), 0, _axis(spec)), part
        )

    def run(*given: Any) -> T:
        def one(index: Array) -> T:
            return program(
                *jax.tree.map(lambda spec, part: sample(spec, part, index), arguments, given)
            )

        stacked = jax.lax.map(one, jnp.arange(_count(arguments, given)))
        found: T = jax.tree.map(together, results, stacked)
        return found

    return run


def _axis(spec: P) -> int:
    return list(spec).index(AXIS)


def _count(specs: Any, tree: Any) -> int:
    """The number of samples of arrays."""

    def counts(spec: P, part: Any) -> list[int]:
        return [] if spec == NOWHERE else [x.shape[_axis(spec)] for x in jax.tree.leaves(part)]

    found: list[int] = jax.tree.leaves(jax.tree.map(counts, specs, tree))
    return found[0]


def _concatenated(leaves: Sequence[Array], axis: int) -> Array | np.ndarray:
    """Concatenate where the arrays are: in the host's memory or on a device."""
    if all(isinstance(leaf, np.ndarray) for leaf in leaves):
        return np.concatenate(leaves, axis)
    return jnp.concatenate(leaves, axis)


def _placed(leaf: Array, sharding: NamedSharding) -> Array:
    if getattr(leaf, "sharding", None) == sharding:
        return leaf
    if sharding.is_fully_addressable:
        placed: Array = jax.device_put(leaf, sharding)
    elif jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        placed = jax.random.wrap_key_data(_placed(jax.random.key_data(leaf), sharding))
    else:
        own = np.asarray(leaf)
        placed = jax.make_array_from_process_local_data(sharding, own)  # type: ignore[no-untyped-call]
    return placed
