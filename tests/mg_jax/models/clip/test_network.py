"""The two encoders: laws of their embeddings, and the parameters' names."""

from dataclasses import replace
from functools import cache

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from mg_jax.models.clip import network

from . import published
from .published import BASE, GELU, TINY

BEGIN, END = 49406, 49407
PIXELS = np.random.default_rng(0).standard_normal((3, 32, 32, 3), np.float32)


@cache
def tiny():
    return published.build(TINY, published.draw(TINY))


def picture(pixels, config=TINY):
    return np.asarray(network.programs(config).embed_image(tiny().params, jnp.asarray(pixels)))


def text(tokens, config=TINY):
    return np.asarray(network.programs(config).embed_text(tiny().params, jnp.asarray(tokens)))


def tokens(*words, pad=END):
    """Begin, words, end, padding."""
    row = [BEGIN, *words, END]
    return np.array([row + [pad] * (77 - len(row))], np.int32)


def test_programs_are_made_once():
    assert network.programs(TINY) is network.programs(replace(TINY))
    assert network.programs(TINY) is not network.programs(GELU)


def test_embeddings_are_of_unit_length_and_in_float32():
    for found in (picture(PIXELS), text(np.concatenate([tokens(5), tokens(6, 7)]))):
        assert found.shape[1:] == (TINY.width,)
        assert found.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-6)


def test_samples_do_not_see_each_other():
    together = picture(PIXELS)
    np.testing.assert_array_equal(picture(PIXELS[::-1]), together[::-1])
    np.testing.assert_allclose(picture(PIXELS[1:2]), together[1:2], atol=1e-6)
    several = np.concatenate([tokens(5), tokens(6, 7)])
    np.testing.assert_allclose(text(several)[1:], text(tokens(6, 7)), atol=1e-6)


@pytest.mark.parametrize(("y", "x"), [(0, 0), (31, 31), (0, 31), (13, 17)])
def test_every_pixel_counts(y, x):
    changed = PIXELS.copy()
    changed[0, y, x] += 3
    found = np.abs(picture(changed) - picture(PIXELS)).max(axis=1)
    assert found[0] > 1e-4
    assert found[1:].max() == 0


def test_patches_that_change_places_change_the_picture():
    swapped = PIXELS.copy()
    swapped[:, :8, :8], swapped[:, 8:16, :8] = PIXELS[:, 8:16, :8], PIXELS[:, :8, :8]
    assert np.abs(picture(swapped) - picture(PIXELS)).max(axis=1).min() > 1e-3


def test_without_places_only_the_set_of_patches_counts():
    config, drawn = TINY, published.draw(TINY)
    drawn["vision_model.embeddings.position_embedding.embedding"][:] = 0
    params = published.build(config, drawn).params
    rolled = np.roll(PIXELS, (8, 16), axis=(1, 2))
    one, other = (
        np.asarray(network.programs(config).embed_image(params, jnp.asarray(pixels)))
        for pixels in (PIXELS, rolled)
    )
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_words_count_and_what_follows_the_end_does_not():
    assert np.abs(text(tokens(5, 6)) - text(tokens(5, 7))).max() > 1e-3
    assert np.abs(text(tokens(5, 6)) - text(tokens(6, 5))).max() > 1e-3
    np.testing.assert_allclose(text(tokens(5, 6, pad=0)), text(tokens(5, 6)), atol=1e-6)


def test_a_text_is_cut_off_at_its_first_end():
    """Padding is of the same token, and what comes between is of no account."""
    long = tokens(5, 6)
    long[0, 10:20] = 9
    np.testing.assert_allclose(text(long), text(tokens(5, 6)), atol=1e-6)


def test_the_former_rule_takes_the_token_of_the_largest_id():
    former = replace(TINY, end=None)
    np.testing.assert_array_equal(text(tokens(5, 6), former), text(tokens(5, 6)))
    # Another token may end the text; the former rule does not know of it.
    other = replace(TINY, end=300)
    ended = tokens(5, 6, 300, 7)
    np.testing.assert_allclose(text(ended, other), text(tokens(5, 6, 300), other), atol=1e-6)
    assert np.abs(text(ended, former) - text(ended, other)).max() > 1e-3


@pytest.mark.parametrize("part", ["text_model", "vision_model"])
def test_the_activation_is_the_configurations(part):
    run = text if part == "text_model" else picture
    given = tokens(5, 6) if part == "text_model" else PIXELS
    difference = np.abs(run(given, replace(GELU, end=TINY.end)) - run(given)).max()
    assert 1e-4 < difference < 0.2


def test_compiling_changes_nothing():
    graph, _ = network.structure(TINY)
    plain = nnx.merge(graph, tiny().params).embed_image(jnp.asarray(PIXELS))
    np.testing.assert_allclose(picture(PIXELS), plain, atol=1e-5)


def test_parameters_of_the_smallest_published():
    one = replace(BASE, text=replace(BASE.text, layers=1), vision=replace(BASE.vision, layers=1))
    shapes = published.shapes(one)
    others = sum(11 * (12 * width**2 + 13 * width) for width in (512, 768))
    assert sum(np.prod(shape) for shape in shapes.values()) + others == 151_277_312
    assert shapes["vision_model.embeddings.patch_embedding.kernel"] == (32, 32, 3, 768)
    assert shapes["vision_model.embeddings.position_embedding.embedding"] == (50, 768)
    assert shapes["vision_model.embeddings.class_embedding"] == (768,)
    assert shapes["visual_projection.kernel"] == (768, 512)
    assert shapes["text_projection.kernel"] == (512, 512)
    assert not {path for path in shapes if "projection.bias" in path or "patch_embedding.b" in path}
