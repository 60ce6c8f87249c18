"""The tiny model with random weights: what a seed decides, and that an edit takes it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mg_jax
from flows import motions
from mg_jax import energies, samples, schedule
from mg_jax.models import registry
from mg_jax.models.stable_diffusion import networks, tiny

SETTINGS = mg_jax.StableDiffusionSettings(
    size=128, steps=1, recursions=1, source="noised", gradient_through="estimate"
)


@functools.cache
def model(seed=0):
    return tiny(seed)


def test_the_seed_decides_the_weights():
    first, again, other = (jax.tree.leaves(one.weights) for one in (model(), tiny(0), model(1)))
    assert all(np.array_equal(*pair) for pair in zip(first, again, strict=True))
    assert not all(np.array_equal(*pair) for pair in zip(first, other, strict=True))


def test_a_negative_seed_is_refused():
    with pytest.raises(ValueError, match="seed: -1; expected 0 or more"):
        tiny(-1)


def test_it_says_that_its_weights_are_random():
    assert "random weights by seed 1" in model(1).origin.lines()[0]
    assert model(1).size == 128


def test_it_reads_prompts_with_a_tokenizer_of_its_vocabulary():
    tokens = model().tokenizer.encode(["a cup of coffee"])
    assert tokens.min() >= 0
    assert tokens.max() == model().config.text.vocabulary - 1  # the end's


def test_all_layers_keep_about_the_variance_of_what_they_get():
    net = networks.build(model().config, "float32", "blocks")
    weights = model().weights
    tokens = jnp.asarray(model().tokenizer.encode(["a cup", "a cat"]))
    text = jax.jit(net.embed)(weights.text, tokens)
    assert not np.allclose(*text)
    z = jax.random.normal(jax.random.key(0), (2, 16, 16, 4))
    level = schedule.Schedule(*(row[0] for row in schedule.ddim(2)))
    noise = jax.jit(net.denoise)(weights.unet, z, level, text)
    assert 0.3 < noise.std() < 2


def test_the_registry_makes_it_by_name_once():
    named = registry.find("tiny")
    assert named.name == "tiny"
    assert named.loaded("bfloat16") is named.loaded("bfloat16")
    assert {leaf.dtype for leaf in jax.tree.leaves(named.loaded("bfloat16").weights)} == {
        jnp.dtype("bfloat16")
    }
    assert named.settings.steps < mg_jax.StableDiffusionSettings().steps


@pytest.mark.long
def test_an_edit_by_name_is_one_with_the_first_seed():
    photo, mask = samples.coffee(192)
    flow = motions.field(motions.parse("translate dx=30"), mask)
    by_name, loaded, other = (
        mg_jax.edit(photo, flow, "a cup", one, settings=SETTINGS, energy=energies.color_oracle)
        for one in ("tiny", model(), model(1))
    )
    np.testing.assert_array_equal(by_name.image, loaded.image)
    assert (by_name.image != other.image)[by_name.region].any()
    np.testing.assert_array_equal(by_name.image[~by_name.region], photo[~by_name.region])
