"""Texture: none of a plain picture, as much as there is, and nothing of what is unknown."""

import numpy as np

from mg_jax.models.patch.texture import texture

H, W = 48, 64
Y, X = np.mgrid[:H, :W]
GRID = (H // 4, W // 4)
EVERYWHERE = np.ones((H, W), bool)


def grey(values):
    return np.repeat(values[..., None], 3, -1).astype(np.float32)


def test_a_plain_picture_has_none():
    assert not texture(grey(np.full((H, W), 0.3)), EVERYWHERE, GRID).any()


def test_a_slope_has_its_own_steepness_down_and_across():
    found = texture(grey(0.01 * Y - 0.02 * X), EVERYWHERE, GRID)
    np.testing.assert_allclose(found[..., 0], 0.01, rtol=1e-4)
    np.testing.assert_allclose(found[..., 1], 0.02, rtol=1e-4)


def test_what_is_unknown_has_no_say():
    rough = np.random.default_rng(0).uniform(-1, 1, (H, W))
    known = X < 32
    one, other = (
        texture(grey(np.where(known, 0.01 * X, beyond)), known, GRID) for beyond in (rough, 0)
    )
    np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(one[:, :8, 1], 0.01, rtol=1e-4)
