"""Attention: the softmax mean, exactly, in any number of blocks, without a square to keep."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mg_jax.models.stable_diffusion import attention
from mg_jax.models.stable_diffusion.attention import attend

BLOCK = attention._BLOCK
# queries, keys, heads, width of a head: Stable Diffusion's widths, and text of 77 tokens
SHAPES = [
    (64, 64, 2, 40),
    (30, 77, 2, 80),
    (16, 2 * BLOCK, 1, 160),
    (5, 2 * BLOCK + 3, 2, 8),
    (1, 1, 1, 4),
]


def draw(n, m, heads, d, b=2):
    rng = np.random.default_rng(0)
    shapes = ((b, n, heads, d), (b, m, heads, d), (b, m, heads, d), (b, n, heads, d))
    return [jnp.asarray(2 * rng.standard_normal(shape, np.float32)) for shape in shapes]


def formula(query, key, value):
    logits = jnp.einsum("bnhd,bmhd->bhnm", query, key) * query.shape[-1] ** -0.5
    return jnp.einsum("bhnm,bmhd->bnhd", jax.nn.softmax(logits), value)


@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_the_softmax_mean_and_has_its_gradient(shape):
    *inputs, slope = draw(*shape)
    expected, pull_expected = jax.vjp(formula, *inputs)
    found, pull = jax.vjp(attend, *inputs)
    pairs = [(found, expected), *zip(pull(slope), pull_expected(slope), strict=True)]
    for one, other in pairs:
        assert np.linalg.norm(one - other) <= 5e-6 * np.linalg.norm(other) + 1e-6


def test_equal_values_are_returned():
    query, key, _, _ = draw(20, BLOCK + 5, 2, 8)
    value = jnp.broadcast_to(jnp.arange(8.0), key.shape)
    np.testing.assert_allclose(
        attend(query, key, value), jnp.broadcast_to(value[:1, :1], query.shape), rtol=1e-6
    )


def test_the_order_of_keys_does_not_matter():
    query, key, value, _ = draw(9, 2 * BLOCK, 2, 8)
    order = np.random.default_rng(1).permutation(key.shape[1])
    np.testing.assert_allclose(
        attend(query, key[:, order], value[:, order]), attend(query, key, value), atol=5e-6
    )


def test_huge_logits_do_not_overflow():
    query, key, value, slope = draw(8, BLOCK + 1, 1, 8)
    found, pull = jax.vjp(attend, 100 * query, 100 * key, value)
    best = jnp.argmax(jnp.einsum("bnhd,bmhd->bhnm", query, key), axis=-1)
    expected = jnp.take_along_axis(value[:, :, 0], best[:, 0, :, None], axis=1)[:, :, None]
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert all(jnp.isfinite(one).all() for one in pull(slope))


def test_nothing_of_the_size_of_a_square_is_kept_for_the_gradient():
    n = 8 * BLOCK
    *inputs, _ = draw(n, n, 1, 4, b=1)
    _, pull = jax.vjp(attend, *inputs)
    assert max(leaf.size for leaf in jax.tree.leaves(pull)) <= 4 * n


def test_half_precision_is_near_and_keeps_its_type():
    *inputs, slope = draw(32, BLOCK + 9, 2, 16)
    halves = [one.astype(jnp.bfloat16) for one in inputs]
    exact = [one.astype(jnp.float32) for one in halves]
    expected, pull_expected = jax.vjp(formula, *exact)
    found, pull = jax.vjp(attend, *halves)
    assert found.dtype == jnp.bfloat16
    np.testing.assert_allclose(found.astype(jnp.float32), expected, atol=0.05)
    for one, other in zip(pull(slope.astype(jnp.bfloat16)), pull_expected(slope), strict=True):
        assert one.dtype == jnp.bfloat16
        np.testing.assert_allclose(one.astype(jnp.float32), other, atol=0.15)
