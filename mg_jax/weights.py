"""Save parameters with Orbax, and restore them directly to their devices."""

import contextlib
import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from flows import parameter_matching
from flows.files.broken import said
from mg_jax import orbax

_AT_A_TIME = 2**28  # most bytes of copies while saving or restoring, or one array if larger
_WIDEST = 8  # most bytes of a number on disk
_LAST_WRITES = 1.0  # seconds during which threads of a failed save may still write

Arrays = Mapping[str, Float[Array, "..."]]


def save(path: Path, arrays: Arrays) -> None:
    """Write named arrays to a new folder, which appears whole or not at all.

    Raises OSError when they cannot be written.
    """
    try:
        with _orbax(max(array.nbytes for array in arrays.values())) as ocp:
            ocp.save(path.absolute(), dict(arrays))
    except BaseException as error:  # Orbax and TensorStore raise a dozen kinds
        time.sleep(_LAST_WRITES)
        if isinstance(error, Exception):
            raise OSError(said(error)) from None
        raise


def shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the arrays in a folder, by name.

    Raises ValueError, one line, when the folder is not a complete checkpoint.
    """
    try:
        with _orbax() as ocp:
            metadata = ocp.metadata(path.absolute()).metadata or {}
        return {name: array.shape for name, array in metadata.items()}
    except Exception as error:  # as above
        raise ValueError(f"{path}: broken ({said(error)}); expected arrays by Orbax") from None


def restore(
    path: Path,
    wanted: Mapping[str, tuple[int, ...]],
    *,
    dtype: DTypeLike,
    sharding: jax.sharding.Sharding | None = None,
) -> dict[str, Float[Array, "..."]]:
    """Read arrays of the wanted names and shapes as `dtype`, placed with `sharding`.

    By default they go to the first device. Raises ValueError, one line, when the folder is not a
    complete checkpoint, or, with every mismatch, when it holds other names or shapes.
    """
    _, faults = parameter_matching.place(
        shapes(path), {name: (shape,) for name, shape in wanted.items()}, lambda name: name
    )
    if faults:
        raise ValueError(f"{path}: {'; '.join(faults)}")
    place = sharding or jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    abstract = {
        name: jax.ShapeDtypeStruct(shape, jnp.dtype(dtype), sharding=place)  # type: ignore[no-untyped-call]
        for name, shape in wanted.items()
    }
    try:
        with _orbax(max(math.prod(shape) for shape in wanted.values()) * _WIDEST) as ocp:
            restored: dict[str, Array] = ocp.load(path.absolute(), abstract)
    except Exception as error:  # as above
        raise ValueError(f"{path}: broken ({said(error)}); expected arrays by Orbax") from None
    return restored


@contextlib.contextmanager
def _orbax(largest: int = 0) -> Iterator[Any]:
    """Provide Orbax with a limit on the memory for copies, which leaves room for the largest."""
    with orbax.quiet() as ocp:
        context = ocp.Context()
        context.memory.write_concurrent_bytes = max(_AT_A_TIME, largest)
        context.memory.read_concurrent_bytes = max(_AT_A_TIME, largest)
        with context:
            yield ocp
