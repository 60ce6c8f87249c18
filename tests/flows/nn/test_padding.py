"""Images made larger for a network, and its flow cut to size again."""

import jax.numpy as jnp
import numpy as np
import pytest

from flows.nn.padding import check_images, crop, margins, pad


@pytest.mark.parametrize("side", [1, 7, 8, 9, 130])
def test_both_margins_are_alike_and_the_least_that_suffice(side):
    before, after = margins(side, 8)
    assert (side + before + after) % 8 == 0
    assert 0 <= after - before <= 1
    assert before + after < 8


def test_padding_repeats_the_border_and_cropping_undoes_it():
    image = jnp.asarray(np.random.default_rng(0).normal(size=(2, 13, 18, 2)))
    padded = pad(image, 8)
    assert padded.shape == (2, 16, 24, 2)
    np.testing.assert_array_equal(padded[:, 0, 3:21], image[:, 0])
    np.testing.assert_array_equal(crop(padded, 13, 18, 8), image)


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (jnp.zeros((1, 31, 64, 3)), "64x31 pixels; it needs at least 32x32"),
        (jnp.zeros((64, 64, 3)), "float32 [64, 64, 3]; expected floats in [-1, 1] of shape"),
        (jnp.zeros((1, 64, 64, 4)), "float32 [1, 64, 64, 4]; expected floats"),
        (jnp.zeros((1, 64, 64, 3), jnp.uint8), "uint8 [1, 64, 64, 3]; expected floats"),
    ],
)
def test_what_is_no_image_is_refused_by_name(images, said):
    with pytest.raises(ValueError, match="A network got a second image of") as caught:
        check_images(images, "A network", "second", 32)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
