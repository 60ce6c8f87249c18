"""A mask of latents and the pixels that it stands for."""

import numpy as np
import pytest

from mg_jax.models.stable_diffusion import replay


def keep(channels=1):
    return np.random.default_rng(0).random((4, 6, channels)) < 0.5


def test_at_the_size_worked_at_a_latent_is_a_block_of_pixels():
    expected = np.kron(keep()[..., 0], np.ones((8, 8), bool))
    np.testing.assert_array_equal(replay.in_pixels(keep(), (32, 48)), expected)


def test_a_pixel_is_kept_where_every_channel_is():
    expected = replay.in_pixels(keep(3).all(axis=-1, keepdims=True), (32, 48))
    np.testing.assert_array_equal(replay.in_pixels(keep(3), (32, 48)), expected)


@pytest.mark.parametrize("shape", [(31, 50), (4, 6), (100, 7)])
def test_at_any_size_every_latent_has_an_equal_share_of_the_pixels(shape):
    alone = np.eye(24, dtype=bool).reshape(24, 4, 6, 1)
    areas = np.stack([replay.in_pixels(one, shape) for one in alone])
    np.testing.assert_array_equal(areas.sum(axis=0), np.ones(shape))
    height, width = np.array(shape) / (4, 6)
    counts = areas.sum(axis=(1, 2))
    assert counts.min() >= np.floor(height) * np.floor(width)
    assert counts.max() <= np.ceil(height) * np.ceil(width)
