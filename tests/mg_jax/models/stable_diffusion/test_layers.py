"""What the UNet and the autoencoder share."""

import jax
import jax.numpy as jnp
import numpy as np

from mg_jax.models.stable_diffusion.layers import doubled

from ....drawing import inputs


def test_each_pixel_is_doubled():
    x = jnp.asarray(inputs(4, 1, 2, 3, 4))
    np.testing.assert_array_equal(doubled(x), np.repeat(np.repeat(x, 2, 1), 2, 2))
    gradient = jax.grad(lambda x: jnp.sum(doubled(x)))(x)
    np.testing.assert_array_equal(gradient, 4)
