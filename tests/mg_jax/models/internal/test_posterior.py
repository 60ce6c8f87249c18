"""The posterior mean against the dense formula, in float64 and by JAX's own gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mg_jax.models.internal import posterior
from mg_jax.models.internal.posterior import posterior_mean

RNG = np.random.default_rng(0)
QUERIES, KEYS, VALUES = (
    jnp.asarray(RNG.standard_normal(shape), jnp.float32) for shape in ((11, 5), (17, 5), (17, 3))
)
WEIGHTS = jnp.asarray(RNG.standard_normal((11, 3)), jnp.float32)


def dense(queries, keys, values):
    queries, keys, values = (np.asarray(array, np.float64) for array in (queries, keys, values))
    logits = queries @ keys.T
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (shares / shares.sum(axis=1, keepdims=True)) @ values


def test_it_is_the_softmax_mean():
    np.testing.assert_allclose(
        posterior_mean(QUERIES, KEYS, VALUES), dense(QUERIES, KEYS, VALUES), atol=1e-6
    )


def test_its_gradient_is_that_of_the_dense_formula():
    def plain(queries):
        return jnp.sum(WEIGHTS * (jax.nn.softmax(queries @ KEYS.T, axis=-1) @ VALUES))

    ours = jax.grad(lambda q: jnp.sum(WEIGHTS * posterior_mean(q, KEYS, VALUES)))(QUERIES)
    np.testing.assert_allclose(ours, jax.grad(plain)(QUERIES), atol=1e-6)


@pytest.mark.parametrize("pairs", [1, 17 * 4, 17 * 11, 10**9])
def test_blocks_change_nothing(monkeypatch, pairs):
    def both():
        return jax.value_and_grad(lambda q: jnp.sum(WEIGHTS * posterior_mean(q, KEYS, VALUES)))(
            QUERIES
        )

    expected = both()
    monkeypatch.setattr(posterior, "_PAIRS", pairs)
    for found, whole in zip(both(), expected, strict=True):
        np.testing.assert_allclose(found, whole, atol=1e-6)


def test_huge_logits_pick_the_largest_and_stay_finite():
    queries = 1e6 * QUERIES
    mean = posterior_mean(queries, KEYS, VALUES)
    np.testing.assert_allclose(mean, VALUES[(QUERIES @ KEYS.T).argmax(axis=1)], atol=1e-6)
    gradient = jax.grad(lambda q: jnp.sum(posterior_mean(q, KEYS, VALUES)))(queries)
    assert np.isfinite(gradient).all()


def test_the_training_set_gets_no_gradient():
    gradients = jax.grad(lambda *a: jnp.sum(posterior_mean(*a)), argnums=(1, 2))(
        QUERIES, KEYS, VALUES
    )
    assert all(not np.asarray(gradient).any() for gradient in gradients)


def test_a_mean_lies_among_the_values():
    mean, values = np.asarray(posterior_mean(QUERIES, KEYS, VALUES)), np.asarray(VALUES)
    assert (mean >= values.min(axis=0)).all()
    assert (mean <= values.max(axis=0)).all()
