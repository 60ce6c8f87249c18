"""The linear layer against its formula."""

import jax.numpy as jnp
import numpy as np
from flax import nnx

from flows.nn.linear import Linear

from ...drawing import build, inputs


def test_a_linear_layer_computes_in_its_type():
    graph, params = build(lambda: Linear(6, 5, dtype=jnp.bfloat16, rngs=nnx.Rngs(0)))
    x = jnp.asarray(inputs(3, 2, 3, 6))
    found = nnx.merge(graph, params)(x)
    assert found.dtype == jnp.bfloat16
    expected = np.asarray(x) @ np.asarray(params["kernel"].get_value()) + np.asarray(
        params["bias"].get_value()
    )
    np.testing.assert_allclose(found.astype(jnp.float32), expected, atol=0.05)
