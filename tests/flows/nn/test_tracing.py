"""Keys for tracing make the same network, and count nothing."""

import jax.numpy as jnp
import pytest
from flax import nnx

from flows.nn import tracing


class Chain(nnx.Module):
    def __init__(self, layers, *, rngs):
        self.layers = nnx.List([nnx.Linear(3, 3, rngs=rngs) for _ in range(layers)])


def test_the_traced_network_is_the_same():
    one, counted = (
        nnx.eval_shape(lambda keys=keys: Chain(4, rngs=keys()))
        for keys in (tracing.rngs, lambda: nnx.Rngs(0))
    )
    assert nnx.graphdef(one) == nnx.graphdef(counted)
    shapes = [nnx.to_flat_state(nnx.state(network)) for network in (one, counted)]
    assert [(path, v.shape, v.dtype) for path, v in shapes[0]] == [
        (path, v.shape, v.dtype) for path, v in shapes[1]
    ]


def test_no_key_is_counted():
    keys = tracing.rngs()
    assert jnp.array_equal(keys.params(), keys.params())
    with pytest.raises(AttributeError):
        keys.dropout()
