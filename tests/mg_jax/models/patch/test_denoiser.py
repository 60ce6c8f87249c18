"""The patch denoiser against its formula, pair by pair, in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mg_jax.models.patch import denoiser, patch_library
from mg_jax.models.patch.denoiser import PatchParams, clean_estimate, denoise, nearest
from mg_jax.models.patch.posterior import Candidates
from mg_jax.types import Schedule

SIDE, RADII = 12, [1, 2]
RNG = np.random.default_rng(0)
SOURCE = RNG.uniform(-1, 1, (SIDE, SIDE, 3)).astype(np.float32)
NOISY = jnp.asarray(RNG.standard_normal((2, SIDE, SIDE, 3)), jnp.float32)
REGION = np.zeros((SIDE, SIDE), bool)
REGION[0:7, 3:12] = True  # with two of the picture's borders
MOVES = np.zeros((SIDE, SIDE), bool)
MOVES[1:4, 4:8] = True  # these patches may lie anywhere


def params(prior=True, padding=5, region=REGION):
    """Patches of the whole picture; with `prior`, all that makes one likelier than another.

    One tile has the whole region and all patches as candidates.
    """
    count = SIDE * SIDE
    built = patch_library.build(
        [SOURCE], [np.ones_like(REGION)], RADII, 80, count + padding, np.random.default_rng(0)
    )
    pixels = np.argwhere(region)
    rng = np.random.default_rng(3)
    away, lands = rng.uniform(0, 4, (2, len(pixels))) * prior
    homes = rng.uniform(0, SIDE, (count, 2))
    nearness = rng.uniform(0.05, 0.3, count) * ~MOVES.ravel() * prior
    likely = rng.uniform(-3, 0, count) * prior

    def padded(rows, fill=0):
        width = [(0, padding)] + [(0, 0)] * (np.ndim(rows) - 1)
        return np.pad(rows, width, constant_values=fill)

    return PatchParams(
        filters=jnp.asarray(built.filters),
        response=jnp.asarray(built.response),
        keys=jnp.asarray(built.keys),
        values=jnp.asarray(built.values),
        half_norms=jnp.asarray(built.half_norms),
        moves=jnp.asarray(padded(MOVES.ravel())),
        homes=jnp.asarray(padded(homes), jnp.float32),
        radius=jnp.asarray([1, 0], jnp.int32),
        source=jnp.asarray(SOURCE),
        pixels=jnp.asarray(padded(pixels, SIDE), jnp.int32)[None],
        candidates=Candidates(
            jnp.arange(count + padding, dtype=jnp.int32)[None], jnp.int32(1), jnp.zeros(1, bool)
        ),
        nearness=jnp.asarray(padded(nearness), jnp.float32),
        prior=jnp.asarray(padded(likely), jnp.float32),
        away=jnp.asarray(padded(away), jnp.float32)[None],
        lands=jnp.asarray(padded(lands), jnp.float32)[None],
    )


def level(position, alpha):
    return Schedule(jnp.int32(position), *(jnp.float32(value) for value in (0.0, alpha, 1.0, 1.0)))


def windows(picture, radius):
    """[positions, numbers] in float64: each patch, reflected at the border."""
    picture = np.asarray(picture, np.float64)
    padded = np.pad(picture, ((radius, radius), (radius, radius), (0, 0)), mode="reflect")
    side = 2 * radius + 1
    return np.stack(
        [
            padded[i : i + side, j : j + side].ravel()
            for i in range(picture.shape[0])
            for j in range(picture.shape[1])
        ]
    )


def logits(weights, z, position, alpha):
    """[pixels of the region, patches] by the docstring's formula and the priors' definitions."""
    radius = RADII[int(weights.radius[position])]
    keys = windows(SOURCE, radius)
    inner = windows(z, radius)[REGION.ravel()]
    found = np.sqrt(alpha) * inner @ keys.T - 0.5 * alpha * np.square(keys).sum(axis=1)
    found /= 1 - alpha
    count = int(REGION.sum())
    pixels = np.argwhere(REGION)
    homes, nearness, likely = (
        np.asarray(leaf, np.float64)[: SIDE * SIDE]
        for leaf in (weights.homes, weights.nearness, weights.prior)
    )
    away, lands = (
        np.asarray(leaf, np.float64)[0, :count, None] for leaf in (weights.away, weights.lands)
    )
    from_home = np.square(pixels[:, None] - homes[None]).sum(axis=-1)
    found += likely - 0.5 * from_home * nearness
    found -= np.where(MOVES.ravel(), away, lands)
    return np.asarray(found)


def brute_force(weights, z, position, alpha):
    scores = logits(weights, z, position, alpha)
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    out = SOURCE.astype(np.float64)
    out[REGION] = shares / shares.sum(axis=1, keepdims=True) @ SOURCE.reshape(-1, 3)
    return out


@pytest.mark.parametrize("prior", [True, False])
@pytest.mark.parametrize(("position", "alpha"), [(0, 0.05), (0, 0.5), (1, 0.05), (1, 0.9)])
def test_it_is_the_formula(prior, position, alpha):
    weights = params(prior)
    found = clean_estimate(weights, NOISY, level(position, alpha))
    for one, z in zip(found, NOISY, strict=True):
        np.testing.assert_allclose(one, brute_force(weights, z, position, alpha), atol=1e-4)


def test_the_nearest_patch_is_the_likeliest():
    weights = params()
    row = level(1, 0.5)
    best, most = (found[:, 0, : REGION.sum()] for found in nearest(weights, NOISY, row))
    for one, likely, z in zip(best, most, NOISY, strict=True):
        expected = logits(weights, z, 1, 0.5)
        np.testing.assert_array_equal(one, expected.argmax(axis=1))
        # Logits of a pixel are known up to a constant, which the library leaves out.
        asked = (expected.argsort(axis=1)[:, i] for i in (0, 50))
        off = [likely - given(weights, z, row, keys) for keys in asked]
        np.testing.assert_allclose(off[0], expected.max(axis=1) - expected.min(axis=1), rtol=1e-3)
        rank = np.sort(expected, axis=1)
        np.testing.assert_allclose(off[1], rank[:, -1] - rank[:, 50], rtol=1e-3, atol=1e-3)


def given(weights, z, row, keys):
    """The denoiser's own logit of one patch for each pixel of the region."""
    count = int(REGION.sum())
    room = weights.pixels.shape[1]
    padded = jnp.asarray(np.pad(keys, (0, room - count)), jnp.int32)[None]
    return denoiser.logits(weights, z[None], row, padded)[0, 0, :count]


def test_without_noise_the_photo_comes_back():
    alpha = 0.9999
    z = np.sqrt(np.float32(alpha)) * SOURCE[None]
    found = clean_estimate(params(prior=False), jnp.asarray(z), level(1, alpha))
    np.testing.assert_allclose(found[0], SOURCE, atol=1e-5)


def test_outside_the_region_it_is_the_photo():
    found = clean_estimate(params(), NOISY, level(0, 0.1))
    for one in np.asarray(found):
        np.testing.assert_array_equal(one[~REGION], SOURCE[~REGION])
        assert (one[REGION] != SOURCE[REGION]).any(axis=-1).mean() > 0.9


def marked(where, **changed):
    """Share of the marked patches in the estimate of each pixel of the region."""
    weights = params()
    values = jnp.asarray(np.pad(where.ravel(), (0, 5))[:, None], jnp.float32)
    weights = weights._replace(values=jnp.broadcast_to(values, weights.values.shape), **changed)
    return np.asarray(clean_estimate(weights, NOISY, level(1, 0.3)))[:, REGION]


def test_where_the_object_lands_nothing_rests():
    assert not marked(~MOVES, lands=jnp.full_like(params().lands, 1000.0)).any()


def test_far_from_where_anything_lands_nothing_moves():
    assert not marked(MOVES, away=jnp.full_like(params().away, 1000.0)).any()


def test_what_moves_may_lie_anywhere():
    """Its patches lie elsewhere in their picture, and that does not matter."""
    weights, row = params(), level(1, 0.3)
    shift = jnp.where(weights.moves[:, None], 5.0, 0.0)
    shifted = weights._replace(homes=weights.homes + shift)
    np.testing.assert_allclose(
        clean_estimate(shifted, NOISY, row), clean_estimate(weights, NOISY, row), atol=1e-6
    )
    shifted = weights._replace(homes=weights.homes + 5.0 - shift)
    assert (clean_estimate(shifted, NOISY, row) != clean_estimate(weights, NOISY, row)).any()


def test_estimate_and_noise_make_the_latent():
    alpha = 0.4
    weights, row = params(), level(0, alpha)
    clean, eps = clean_estimate(weights, NOISY, row), denoise(weights, NOISY, row, ())
    again = np.sqrt(alpha) * np.asarray(clean) + np.sqrt(1 - alpha) * np.asarray(eps)
    np.testing.assert_allclose(again, NOISY, atol=1e-5)


def test_the_gradient_is_the_slope():
    weights, row, alpha = params(), level(1, 0.3), 0.3
    cotangent = RNG.standard_normal(NOISY.shape[1:])
    gradient = jax.grad(
        lambda z: jnp.sum(
            jnp.asarray(cotangent[None], jnp.float32) * clean_estimate(weights, z, row)
        )
    )(NOISY[:1])[0]
    direction = RNG.standard_normal(NOISY.shape[1:])
    ahead, behind = (
        np.sum(cotangent * brute_force(weights, np.float64(NOISY[0]) + step * direction, 1, alpha))
        for step in (1e-5, -1e-5)
    )
    np.testing.assert_allclose(np.sum(gradient * direction), (ahead - behind) / 2e-5, rtol=1e-3)


@pytest.mark.parametrize("alpha", [1e-3, 0.5, 0.9999])
def test_the_gradient_is_finite_and_nobody_elses(alpha):
    def total(weights, z):
        return jnp.sum(clean_estimate(weights, z, level(0, alpha)))

    gradient = jax.grad(total, argnums=1)(params(), NOISY)
    assert np.isfinite(gradient).all()
    # Beyond the reach of the region's patches the latent has no say.
    assert not np.asarray(gradient)[:, 9:, :].any()


def test_padding_changes_nothing():
    few, many = (
        clean_estimate(params(padding=padding), NOISY, level(1, 0.2)) for padding in (0, 40)
    )
    np.testing.assert_allclose(few, many, atol=1e-6)


def test_tiles_change_nothing():
    """The same pixels in two tiles, the last of them unused, all patches candidates of each."""
    whole, row = params(padding=3), level(1, 0.2)
    half = whole.pixels.shape[1] // 2
    halves = jax.tree.map(
        lambda rows: jnp.concatenate([rows.reshape(2, half, *rows.shape[2:]), rows[:, :half]]),
        (whole.pixels, whole.away, whole.lands),
    )
    candidates = Candidates(
        jnp.repeat(whole.candidates.keys, 3, axis=0), jnp.int32(2), jnp.zeros(3, bool)
    )
    tiled = whole._replace(
        pixels=halves[0].at[2].set(SIDE),
        away=halves[1],
        lands=halves[2],
        candidates=candidates,
    )
    np.testing.assert_allclose(
        clean_estimate(tiled, NOISY, row), clean_estimate(whole, NOISY, row), atol=1e-6
    )


def test_samples_do_not_meet():
    weights, row = params(), level(0, 0.3)
    together = clean_estimate(weights, NOISY, row)
    for i in range(2):
        alone = clean_estimate(weights, NOISY[i : i + 1], row)
        np.testing.assert_allclose(together[i], alone[0], atol=1e-6)
