"""What every flow network's object does alike, whatever the network."""

import functools
from typing import Any

import jax
from jaxtyping import Array, Float

from flows.interfaces import FlowNetwork


@functools.partial(jax.jit, static_argnums=(0, 4))
def compiled_flow(
    network: FlowNetwork,
    params: Any,
    first: Float[Array, "b h w 3"],
    second: Float[Array, "b h w 3"],
    updates: int,
) -> Float[Array, "b h w 2"]:
    """`network.flow`, compiled once for each network, number of updates and size."""
    return network.flow(params, first, second, updates)


def parameter_count(params: Any) -> int:
    """Count the numbers in the parameters."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))
