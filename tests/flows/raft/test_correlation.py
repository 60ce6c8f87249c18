"""The lookup against bilinear sampling written out."""

import jax
import jax.numpy as jnp
import numpy as np

from flows.raft import correlation
from flows.raft.config import LEVELS

RADIUS = 3
pyramid = jax.jit(correlation.pyramid)
lookup = jax.jit(correlation.lookup, static_argnums=2)


def maps(height=17, width=21, channels=8):
    keys = jax.random.split(jax.random.key(0), 2)
    return [jax.random.normal(key, (2, height, width, channels)) for key in keys]


def sample(plane, x, y):
    """Bilinear, zero outside, one point at a time."""
    total = 0.0
    for j in (int(np.floor(y)), int(np.floor(y)) + 1):
        for i in (int(np.floor(x)), int(np.floor(x)) + 1):
            if 0 <= j < plane.shape[0] and 0 <= i < plane.shape[1]:
                total += plane[j, i] * (1 - abs(x - i)) * (1 - abs(y - j))
    return total


def test_each_level_is_the_mean_of_the_one_below():
    first, second = maps(16, 24)
    levels = pyramid(first, second)
    volume = np.einsum("bhwc,bijc->bhwij", first, second) / np.sqrt(8)
    assert len(levels) == LEVELS
    for number, level in enumerate(levels):
        size = 2**number
        b, h, w, i, j = volume.shape
        blocks = volume.reshape(b, h, w, i // size, size, j // size, size)
        np.testing.assert_allclose(level, blocks.mean((4, 6)), rtol=0, atol=1e-5)


def test_an_odd_last_row_and_column_are_dropped():
    x = maps(17, 21)[0]
    np.testing.assert_array_equal(correlation.halve(x), correlation.halve(x[:, :16, :20]))


def test_lookup_is_bilinear_sampling_with_zeros_outside():
    volumes = pyramid(*maps())
    low, high = jnp.array([-6.0, -6.0]), jnp.array([26.0, 22.0])
    spread = jax.random.uniform(jax.random.key(2), (2, 17, 21, 2))
    coordinates = low.reshape(1, 1, 1, 2) + spread * (high - low).reshape(1, 1, 1, 2)
    found = np.asarray(lookup(volumes, coordinates, RADIUS))
    rng = np.random.default_rng(0)
    side = 2 * RADIUS + 1
    for _ in range(300):
        b, y, x = rng.integers(2), rng.integers(17), rng.integers(21)
        level, across, down = rng.integers(LEVELS), rng.integers(side), rng.integers(side)
        centre = np.asarray(coordinates[b, y, x]) / 2**level
        plane = np.asarray(volumes[level][b, y, x])
        expected = sample(plane, centre[0] + across - RADIUS, centre[1] + down - RADIUS)
        channel = (level * side + across) * side + down
        np.testing.assert_allclose(found[b, y, x, channel], expected, rtol=0, atol=1e-5)


def test_lookup_at_whole_pixels_copies():
    first, second = maps()
    volumes = pyramid(first, second)
    found = lookup(volumes, jnp.full((2, 17, 21, 2), 8.0), RADIUS)
    window = found[..., :49].reshape(2, 17, 21, 7, 7)
    expected = jnp.swapaxes(volumes[0][..., 5:12, 5:12], -1, -2)
    np.testing.assert_allclose(window, expected, rtol=0, atol=1e-6)


def test_gradient_is_that_of_sampling():
    """The lookup is linear in the volumes: its gradient paired with them is its value paired."""
    volumes = pyramid(*maps())
    coordinates = jax.random.uniform(jax.random.key(3), (2, 17, 21, 2), minval=-3, maxval=22)
    cotangent = jax.random.normal(jax.random.key(4), (2, 17, 21, LEVELS * 49))

    @jax.jit
    def paired(volumes):
        return jnp.vdot(correlation.lookup(volumes, coordinates, RADIUS), cotangent)

    value, gradient = jax.value_and_grad(paired)(volumes)
    again = sum(jnp.vdot(g, v) for g, v in zip(gradient, volumes, strict=True))
    np.testing.assert_allclose(value, again, rtol=1e-4)
