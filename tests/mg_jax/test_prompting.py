"""Classifier-free guidance: which halves are asked, and how they are mixed."""

import jax
import jax.numpy as jnp
import numpy as np

from mg_jax import prompting, schedule

B, SHAPE = 3, (3, 4, 5, 2)
LEVEL = jax.tree.map(lambda field: field[2], schedule.ddim(5))
Z = jnp.asarray(np.random.default_rng(0).normal(size=SHAPE), jnp.float32)


def numbered(offset):
    """A prompt of two leaves, one number a sample and one row a sample."""
    number = jnp.arange(B, dtype=jnp.float32) + offset
    return {"number": number, "row": jnp.stack([number, -number], axis=1)}


def denoise(params, z, level, prompt):
    row = prompt["row"][:, None, None, :]
    return params * z + prompt["number"][:, None, None, None] * jnp.sqrt(level.alpha) + row


def ask(scale):
    prompt = prompting.Prompt(numbered(10), numbered(20), jnp.asarray(scale, jnp.float32))
    return prompting.classifier_free(denoise)(jnp.float32(2), Z, LEVEL, prompt)


def half(offset):
    return denoise(jnp.float32(2), Z, LEVEL, numbered(offset))


def test_scale_one_is_the_prompt_alone():
    np.testing.assert_allclose(ask([1.0] * B), half(20), rtol=1e-6)


def test_scale_zero_is_no_prompt():
    np.testing.assert_array_equal(ask([0.0] * B), half(10))


def test_each_sample_has_its_scale():
    eps, scales = ask([0.0, 1.0, 7.5]), np.array([0.0, 1.0, 7.5], np.float32)
    expected = half(10) + scales[:, None, None, None] * (half(20) - half(10))
    np.testing.assert_allclose(eps, expected, rtol=1e-6)
    assert np.all(np.asarray(eps[2]) != np.asarray(half(20)[2]))


def test_the_denoiser_is_asked_once_for_both_halves_the_unconditional_first():
    calls = []

    def spy(params, z, level, prompt):
        calls.append((params, z, level, prompt))
        return jnp.zeros_like(z)

    prompt = prompting.Prompt(numbered(10), numbered(20), jnp.full(B, 7.5))
    prompting.classifier_free(spy)("weights", Z, LEVEL, prompt)
    ((params, z, level, both),) = calls
    assert params == "weights"
    assert level is LEVEL
    np.testing.assert_array_equal(z, np.concatenate([Z, Z]))
    np.testing.assert_array_equal(both["number"], [10, 11, 12, 20, 21, 22])
    np.testing.assert_array_equal(both["row"][:, 1], [-10, -11, -12, -20, -21, -22])
