"""Load flow networks, each once per process."""

import functools
import os

from flows import networks, raft
from flows.interfaces import FlowNetwork

Named = str | os.PathLike[str] | FlowNetwork
"""A flow network by its name or file, or one that is loaded already."""


def flow_network(
    named: Named, statistics: raft.Statistics = "running", dtype: str = "float32"
) -> FlowNetwork:
    """Return the flow network of a name or file, computing in `dtype`; cached.

    A loaded network is returned as it is.

    Raises:
        ValueError: as for `flows.networks.load`.
    """
    if isinstance(named, str | os.PathLike):
        return _flow_network(os.fspath(named), statistics, dtype)
    return named


def name(named: Named) -> str:
    """The network's name in metrics."""
    return os.fspath(named) if isinstance(named, str | os.PathLike) else repr(named)


@functools.cache  # always called with all arguments, since f(x) and f(x, default) differ to it
def _flow_network(name: str, statistics: raft.Statistics, dtype: str) -> FlowNetwork:
    return networks.load(name, statistics=statistics, dtype=dtype)
