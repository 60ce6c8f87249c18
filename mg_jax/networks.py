"""Networks that are read once a process."""

import functools

from flows import networks, raft
from flows.interfaces import FlowNetwork


def flow_network(
    name: str, statistics: raft.Statistics = "running", dtype: str = "float32"
) -> FlowNetwork:
    """The flow network of a name or file, computing in `dtype`, read once a process.

    Raises:
        ValueError: as `flows.networks.load`.
    """
    return _flow_network(name, statistics, dtype)


@functools.cache  # which tells f(x) from f(x, default): only this form is asked
def _flow_network(name: str, statistics: raft.Statistics, dtype: str) -> FlowNetwork:
    return networks.load(name, statistics=statistics, dtype=dtype)
