"""The posterior mean against the dense formula, in float64 and by JAX's own gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mg_jax.models.patch.posterior import FEW, Candidates, by_tile, posterior_mean

RNG = np.random.default_rng(0)
B, TILES, Q, D, K = 2, 3, 4, 5, 17
QUERIES, KEYS, VALUES, WEIGHTS = (
    jnp.asarray(RNG.standard_normal(shape), jnp.float32)
    for shape in ((B, TILES, Q, D), (K, D), (K, 3), (B, TILES, Q, 3))
)
NEAR = np.stack([RNG.permutation(K)[:6] for _ in range(TILES)])
CANDIDATES = Candidates(jnp.asarray(NEAR, jnp.int32), jnp.int32(TILES), jnp.zeros(len(NEAR), bool))


def mean_of(queries=QUERIES, candidates=CANDIDATES):
    return posterior_mean(queries, KEYS, VALUES, candidates)


def dense(queries):
    queries, keys, values = (np.asarray(array, np.float64) for array in (queries, KEYS, VALUES))
    logits = np.einsum("btqd,tnd->btqn", queries, keys[NEAR])
    shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.einsum("btqn,tnc->btqc", shares / shares.sum(axis=-1, keepdims=True), values[NEAR])


def test_it_is_the_softmax_mean_over_the_candidates():
    np.testing.assert_allclose(mean_of(), dense(QUERIES), atol=1e-6)


def test_its_gradient_is_that_of_the_dense_formula():
    def plain(queries):
        shares = jax.nn.softmax(jnp.einsum("btqd,tnd->btqn", queries, KEYS[NEAR]), axis=-1)
        return jnp.sum(WEIGHTS * jnp.einsum("btqn,tnc->btqc", shares, VALUES[NEAR]))

    ours = jax.grad(lambda q: jnp.sum(WEIGHTS * mean_of(q)))(QUERIES)
    np.testing.assert_allclose(ours, jax.grad(plain)(QUERIES), atol=1e-6)


@pytest.mark.parametrize("used", range(TILES + 1))
def test_tiles_that_are_not_in_use_give_nothing_and_get_nothing(used):
    some = CANDIDATES._replace(tiles=jnp.int32(used))
    mean = np.asarray(mean_of(candidates=some))
    np.testing.assert_array_equal(mean[:, :used], np.asarray(mean_of())[:, :used])
    assert not mean[:, used:].any()
    gradient = np.asarray(jax.grad(lambda q: jnp.sum(WEIGHTS * mean_of(q, some)))(QUERIES))
    assert not gradient[:, used:].any()
    assert gradient[:, :used].any() or used == 0


def test_a_tile_with_few_keys_is_compared_with_no_more():
    """What comes after them is padding, which never counts; there it is not computed at all."""
    keys = jnp.concatenate([KEYS, jnp.full((1, D), -1e3)])
    values = jnp.concatenate([VALUES, jnp.ones((1, 3))])
    padded = jnp.pad(CANDIDATES.keys, ((0, 0), (0, FEW)), constant_values=K)
    queries = jnp.abs(QUERIES)

    def mean(few):
        candidates = Candidates(padded, CANDIDATES.tiles, jnp.full(TILES, few))
        return posterior_mean(queries, keys, values, candidates)

    np.testing.assert_allclose(mean(True), mean(False), atol=1e-6)
    hidden = jnp.roll(padded, FEW, axis=1)  # the keys themselves beyond the first 512
    none = Candidates(hidden, CANDIDATES.tiles, jnp.ones(TILES, bool))
    np.testing.assert_allclose(posterior_mean(queries, keys, values, none), 1.0, atol=1e-6)


def test_the_order_of_candidates_does_not_matter():
    turned = CANDIDATES._replace(keys=CANDIDATES.keys[:, ::-1])
    np.testing.assert_allclose(mean_of(candidates=turned), mean_of(), atol=1e-6)


def test_huge_logits_pick_the_largest_and_stay_finite():
    mean = np.asarray(mean_of(1e6 * QUERIES))
    best = np.einsum("btqd,tnd->btqn", QUERIES, KEYS[NEAR]).argmax(axis=-1)
    expected = np.asarray(VALUES)[NEAR[np.arange(TILES)[None, :, None], best]]
    np.testing.assert_allclose(mean, expected, atol=1e-6)
    gradient = jax.grad(lambda q: jnp.sum(mean_of(q)))(1e6 * QUERIES)
    assert np.isfinite(gradient).all()


def test_the_training_set_gets_no_gradient():
    gradients = jax.grad(
        lambda keys, values: jnp.sum(posterior_mean(QUERIES, keys, values, CANDIDATES)),
        argnums=(0, 1),
    )(KEYS, VALUES)
    assert all(not np.asarray(gradient).any() for gradient in gradients)


def test_a_mean_lies_among_the_values():
    mean, values = np.asarray(mean_of()), np.asarray(VALUES)
    assert (mean >= values.min(axis=0)).all()
    assert (mean <= values.max(axis=0)).all()


def test_each_tile_gets_its_own_candidates_and_rows():
    def of_tile(near, rows):
        return rows[..., :1] + jnp.sum(near).astype(jnp.float32)

    out = by_tile(of_tile, CANDIDATES, 1, QUERIES)
    expected = np.asarray(QUERIES)[..., :1] + NEAR.sum(axis=1)[None, :, None, None]
    np.testing.assert_allclose(out, expected, rtol=1e-6)
