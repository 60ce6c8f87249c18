"""Load flow networks by name; a new one is a folder beside `raft` and one line in a table here."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import safetensors
from jax.typing import DTypeLike

from flows import gmflow, raft
from flows.interfaces import FlowNetwork


class _Kind(NamedTuple):
    names: tuple[str, ...]  # of weights that ship with the package or are fetched
    owns: Callable[[Collection[str]], bool]  # whether array names in a file are this network's
    find: Callable[[str], Path]
    load: Callable[[str, raft.Statistics, DTypeLike], FlowNetwork]


_KINDS = (
    _Kind(gmflow.NAMES, gmflow.owns, gmflow.find, lambda n, _, d: gmflow.load(n, dtype=d)),
    # Last, as it claims every file: its loader says what is wrong with an unknown one.
    _Kind(
        raft.NAMES,
        lambda _: True,
        raft.find,
        lambda n, s, d: raft.load(n, statistics=s, dtype=d),
    ),
)

NAMES = tuple(name for kind in reversed(_KINDS) for name in kind.names)


def load(
    name: str = "raft-small",
    *,
    statistics: raft.Statistics = "running",
    dtype: DTypeLike = jnp.float32,
) -> FlowNetwork:
    """Load a flow network by name (one of `NAMES`) or from the path of a file of weights.

    Files: .safetensors of any of the networks, and for RAFT .pth and .pt as well. `statistics` is
    what RAFT's batch normalisation uses: see `flows.raft.build`. `dtype` is what the network
    computes in. Raises ValueError, with a message for the user, when the name or file is unknown,
    unreadable, or holds other weights.
    """
    return _kind(name).load(name, statistics, dtype)


def find(name: str) -> Path:
    """Return the file of weights that `load` would read. Raises ValueError when there is none."""
    return _kind(name).find(name)


def _kind(name: str) -> _Kind:
    arrays: Collection[str] = ()
    if name not in NAMES:
        if not Path(name).is_file():
            raise ValueError(
                f"{name}: no such weights; expected a file or one of {', '.join(NAMES)}"
            )
        arrays = _array_names(Path(name))
    return next(kind for kind in _KINDS if name in kind.names or kind.owns(arrays))


def _array_names(path: Path) -> list[str]:
    """Array names in a .safetensors file; none for other files and broken ones."""
    if path.suffix != ".safetensors":
        return []
    try:
        with safetensors.safe_open(path, "numpy") as file:
            return list(file.keys())
    except (safetensors.SafetensorError, OSError):
        return []
