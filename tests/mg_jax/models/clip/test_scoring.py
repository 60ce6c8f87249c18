"""Similarity: laws of a cosine, and numbers that transformers 5.23.0 gave for the same weights."""

from functools import cache

import numpy as np
import pytest

from mg_jax import images
from mg_jax.models import clip

from . import published
from .published import GELU, TINY, photo

CONFIGS = {"quick_gelu": TINY, "gelu": GELU}


@cache
def tiny(activation="quick_gelu"):
    config = CONFIGS[activation]
    return published.build(config, published.draw(config))


def test_it_is_the_cosine_of_the_embeddings():
    image, text = photo(40, 50), "a red cup"
    one, other = clip.embed_image(tiny(), image), clip.embed_text(tiny(), text)
    assert one.shape == other.shape == (TINY.width,)
    np.testing.assert_allclose([np.linalg.norm(one), np.linalg.norm(other)], 1, rtol=1e-6)
    score = clip.similarity(tiny(), image, text)
    assert type(score) is float
    assert score == pytest.approx(float(one @ other), abs=1e-6)
    assert -1 <= score <= 1


def test_it_repeats_and_depends_on_both():
    score = clip.similarity(tiny(), photo(40, 50), "a red cup")
    assert clip.similarity(tiny(), photo(40, 50), "a red cup") == score
    assert abs(clip.similarity(tiny(), photo(40, 50, seed=1), "a red cup") - score) > 1e-3
    assert abs(clip.similarity(tiny(), photo(40, 50), "a blue cup") - score) > 1e-3


def test_the_size_of_a_picture_does_not_matter():
    image = images.resize(photo(4, 6), 32, 48)
    large = images.resize(image, 160, 240)
    one, other = (clip.similarity(tiny(), picture, "a cup") for picture in (image, large))
    assert one == pytest.approx(other, abs=0.01)
    plain = np.full((32, 32, 3), 90, np.uint8)
    wide = np.full((70, 200, 3), 90, np.uint8)
    assert clip.similarity(tiny(), plain, "a cup") == clip.similarity(tiny(), wide, "a cup")


def test_letters_case_and_spaces_do_not_matter():
    one, other = (clip.embed_text(tiny(), text) for text in ("A  red\ncup ", "a red cup"))
    np.testing.assert_array_equal(one, other)


def test_no_text_is_a_text():
    assert np.isfinite(clip.similarity(tiny(), photo(32, 32), ""))


def test_a_text_that_is_too_long_is_told():
    with pytest.warns(UserWarning, match="prompt: 100 tokens; CLIP takes 75"):
        long = clip.embed_text(tiny(), "cup " * 100)
    np.testing.assert_array_equal(long, clip.embed_text(tiny(), "cup " * 75))


def test_what_is_no_text_is_refused():
    with pytest.raises(ValueError, match="no valid Unicode"):
        clip.similarity(tiny(), photo(32, 32), "\udcff")


# Numbers: photo(40, 50) and photo(33, 90) with "a red cup" and "".

THEIRS = {
    "quick_gelu": [[-0.408629, -0.439525], [0.051991, -0.099799]],
    "gelu": [[-0.40374, -0.439301], [0.054533, -0.103755]],
}


@pytest.mark.parametrize("activation", THEIRS)
def test_similarities_of_transformers(activation):
    found = [
        [clip.similarity(tiny(activation), photo(*shape), text) for text in ("a red cup", "")]
        for shape in ((40, 50), (33, 90))
    ]
    np.testing.assert_allclose(found, THEIRS[activation], rtol=0, atol=5e-6)
