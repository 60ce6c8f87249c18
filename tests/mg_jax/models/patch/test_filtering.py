"""Filters over a picture: by the definition, and with the gradient that JAX itself finds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from mg_jax.models.patch.filtering import responses

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("height", "width", "side"), [(9, 12, 3), (8, 7, 7), (10, 6, 1)])
def test_responses_and_their_gradient(height, width, side):
    picture = RNG.standard_normal((height, width, 3))
    filters = RNG.standard_normal((side, side, 3, 4))
    windows = sliding_window_view(picture, (side, side), axis=(0, 1))
    expected = np.einsum("hwcyx,yxcd->hwd", windows, filters)
    weights = RNG.standard_normal(expected.shape)

    def total(picture, filters):
        answers = responses(picture, filters)
        return jnp.sum(jnp.asarray(weights, jnp.float32) * answers), answers

    arguments = (jnp.asarray(picture, jnp.float32), jnp.asarray(filters, jnp.float32))
    (of_picture, of_filters), answers = jax.grad(total, argnums=(0, 1), has_aux=True)(*arguments)
    np.testing.assert_allclose(answers, expected, atol=1e-4)
    # By the definition: each answer's weight goes to the window that it saw.
    by_hand = np.zeros_like(picture)
    for y, x in np.ndindex(*expected.shape[:2]):
        by_hand[y : y + side, x : x + side] += filters @ weights[y, x]
    np.testing.assert_allclose(of_picture, by_hand, atol=1e-4)
    assert not np.asarray(of_filters).any()
