"""Photos to what CLIP sees: the middle, at its size, of unit variance over its training set."""

from dataclasses import replace

import numpy as np
import pytest

from mg_jax import images
from mg_jax.models.clip.preparing import prepare

from .published import TINY, photo

SIDE = TINY.vision.size
MEAN, STD = np.float32(TINY.mean), np.float32(TINY.std)


def back(pixels):
    """Prepared pixels to [0, 255]."""
    return (pixels * STD + MEAN) * 255


@pytest.mark.parametrize("shape", [(32, 32), (31, 200), (200, 31), (1, 3), (64, 97)])
def test_every_size_becomes_the_one_that_the_network_takes(shape):
    pixels = prepare(photo(*shape), TINY)
    assert pixels.shape == (SIDE, SIDE, 3)
    assert pixels.dtype == np.float32


def test_a_picture_of_that_size_stays_as_it_is():
    image = photo(SIDE, SIDE)
    np.testing.assert_allclose(back(prepare(image, TINY)), image, atol=1e-4)


def test_outside_of_the_middle_nothing_counts():
    image, other = photo(SIDE, 50), photo(SIDE, 50, seed=1)
    other[:, 9 : 9 + SIDE] = image[:, 9 : 9 + SIDE]
    np.testing.assert_array_equal(prepare(other, TINY), prepare(image, TINY))
    assert (prepare(np.roll(image, 1, axis=1), TINY) != prepare(image, TINY)).any()


def test_a_transposed_picture_is_prepared_to_the_transposed_pixels():
    image = 64 + photo(47, 80) // 2
    turned = prepare(np.swapaxes(image, 0, 1), TINY)
    # Pillow shrinks one side after the other and rounds in between (and clips: hence no extremes).
    difference = back(turned) - back(np.swapaxes(prepare(image, TINY), 0, 1))
    assert np.abs(difference).max() < 2.01


@pytest.mark.parametrize("shape", [(40, 40), (90, 37), (8, 100)])
def test_one_colour_stays_one_colour(shape):
    image = np.broadcast_to(np.uint8([200, 100, 50]), (*shape, 3))
    np.testing.assert_allclose(back(prepare(image, TINY))[3, 5], [200, 100, 50], rtol=1e-5)
    assert np.ptp(prepare(image, TINY), axis=(0, 1)).max() == 0


def test_the_content_counts_and_not_the_number_of_pixels():
    image = images.resize(photo(4, 6), SIDE, 48)
    larger = images.resize(image, 4 * SIDE, 4 * 48)
    difference = back(prepare(larger, TINY)) - back(prepare(image, TINY))
    assert np.abs(difference).mean() < 2


def test_colours_are_normalised_as_the_configuration_says():
    image = photo(SIDE, SIDE)
    plain = prepare(image, replace(TINY, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)))
    np.testing.assert_allclose(plain, image / 255, rtol=1e-6)
    half = prepare(image, replace(TINY, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)))
    np.testing.assert_allclose(half, images.to_float(image), atol=1e-6)
