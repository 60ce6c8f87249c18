"""What is computed in at least float32."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flows.nn.precision import wide, widened


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32])
def test_float32_and_less_become_float32_with_their_values(dtype):
    x = jnp.asarray([1.0, -0.25, 3.0], dtype)
    assert wide(dtype) == widened(x).dtype == np.float32
    np.testing.assert_array_equal(widened(x), [1.0, -0.25, 3.0])


def test_float64_stays_so():
    with jax.enable_x64(True):
        x = jnp.asarray([1 / 3], jnp.float64)
        assert wide(x.dtype) == widened(x).dtype == np.float64
        np.testing.assert_array_equal(widened(x), x)
