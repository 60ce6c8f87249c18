"""Layer normalisation against its formula."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from flows.nn.layer_norm import LayerNorm

from ...drawing import build, inputs


@pytest.mark.parametrize("axes", [(2, 5), (2, 3, 4), ()])
def test_it_is_its_formula_in_its_type(axes):
    graph, params = build(lambda: LayerNorm(12, 1e-5))
    x = 100 + inputs(4, *axes, 12)
    exact = x.astype(np.float64)
    deviation = np.sqrt(exact.var(-1, keepdims=True) + 1e-5)
    expected = (exact - exact.mean(-1, keepdims=True)) / deviation
    expected = expected * np.asarray(params["scale"].get_value())
    expected = expected + np.asarray(params["bias"].get_value())
    layer = nnx.merge(graph, params)
    np.testing.assert_allclose(layer(jnp.asarray(x)), expected, atol=1e-4)
    assert layer(jnp.asarray(x, jnp.bfloat16)).dtype == jnp.bfloat16
