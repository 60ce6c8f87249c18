"""Up-sampling keeps what it should."""

import jax
import jax.numpy as jnp
import numpy as np

from flows.raft import upsampling


def test_bilinear_of_a_constant_is_eight_times_the_constant():
    flow = jnp.ones((2, 5, 7, 2)) * jnp.array([1.5, -2.0]).reshape(1, 1, 1, 2)
    big = upsampling.bilinear(flow)
    assert big.shape == (2, 40, 56, 2)
    np.testing.assert_allclose(big, jnp.broadcast_to(8 * flow[:, :1, :1], big.shape), atol=1e-5)


def test_bilinear_of_a_ramp_is_a_ramp_from_corner_to_corner():
    ramp = jnp.broadcast_to(jnp.arange(7.0).reshape(1, 1, 7, 1), (1, 5, 7, 2))
    big = upsampling.bilinear(ramp)
    np.testing.assert_allclose(big[0, 3, :, 0], 8 * np.linspace(0, 6, 56), rtol=0, atol=1e-4)


def test_convex_with_all_weight_on_one_neighbour_copies_it():
    flow = jax.random.normal(jax.random.key(0), (1, 4, 5, 2))
    for neighbour, (down, across) in ((4, (0, 0)), (0, (-1, -1)), (5, (0, 1))):
        mask = jnp.zeros((1, 4, 5, 9, 64)).at[..., neighbour, :].set(1e4)
        big = upsampling.convex(flow, mask.reshape(1, 4, 5, 576))
        zeros = jnp.pad(flow, ((0, 0), (1, 1), (1, 1), (0, 0)))
        moved = zeros[:, 1 + down : 5 + down, 1 + across : 6 + across]
        expected = 8 * jnp.repeat(jnp.repeat(moved, 8, 1), 8, 2)
        np.testing.assert_allclose(big, expected, rtol=0, atol=1e-4)


def test_convex_mask_runs_over_neighbours_then_rows_then_columns():
    flow = jnp.arange(9.0).reshape(1, 3, 3, 1) * jnp.ones((1, 1, 1, 2))
    mask = jnp.zeros((1, 3, 3, 9, 8, 8)).at[..., 4, :, :].set(1e4)
    mask = mask.at[..., 5, 2, 6].set(1e5)  # pixel (2, 6) of each block looks to the right
    big = upsampling.convex(flow, mask.reshape(1, 3, 3, 576))[0, :, :, 0]
    assert float(big[8 + 2, 8 + 6]) == 8 * 5
    assert float(big[8 + 6, 8 + 2]) == 8 * 4
