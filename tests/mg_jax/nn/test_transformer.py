"""The transformer's parts that neither encoder's tests show."""

import jax.numpy as jnp
import numpy as np
from scipy.special import ndtr

from mg_jax.nn.transformer import activate


def test_activations():
    x = np.linspace(-6, 6, 101, dtype=np.float32)
    quick, exact = (np.asarray(activate(jnp.asarray(x), kind)) for kind in ("quick_gelu", "gelu"))
    np.testing.assert_allclose(quick, x / (1 + np.exp(-1.702 * x)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(exact, x * ndtr(x), rtol=1e-4, atol=1e-6)
    assert 0.01 < np.abs(quick - exact).max() < 0.03
