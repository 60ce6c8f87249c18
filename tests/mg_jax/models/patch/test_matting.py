"""Matting: mixtures of two colours are told, what cannot be told stays opaque.

Stains: what shows the object, its mask's neighbours, and nothing of the background besides.
"""

import numpy as np
import pytest
from scipy import ndimage

from mg_jax.models.patch.matting import matte, stained

H = W = 384
Y, X = np.mgrid[:H, :W]
DISTANCE = np.hypot(Y - 180, X - 190)
MASK = DISTANCE < 90
RED, GREY = np.float32([0.8, -0.8, -0.6]), np.float32([-0.2, -0.2, -0.1])


def mixture(alpha):
    return (alpha[..., None] * RED + (1 - alpha[..., None]) * GREY).astype(np.float32)


def test_a_mask_that_fits_is_opaque_throughout():
    found = matte(mixture(MASK.astype(np.float32)), MASK)
    np.testing.assert_allclose(found.opacity, 1, atol=0.05)


def test_background_at_the_rim_is_clear():
    """The object is three pixels smaller than the mask all round."""
    found = matte(mixture((DISTANCE < 87).astype(np.float32)), MASK)
    halo = MASK & (DISTANCE >= 87.5)
    assert found.opacity[halo].max() < 0.05
    assert found.opacity[DISTANCE < 85].min() == 1
    np.testing.assert_allclose(found.background[halo], np.broadcast_to(GREY, (halo.sum(), 3)))


def test_a_soft_edge_has_its_own_opacity():
    alpha = np.clip((90 - DISTANCE) / 3, 0, 1)
    found = matte(mixture(alpha), MASK)
    mixed = MASK & (alpha < 1)
    assert np.abs(found.opacity - alpha)[mixed].mean() < 0.05


def test_changing_what_is_behind_makes_the_mixture_before_the_new_background():
    alpha = np.where(DISTANCE < 87, 1.0, 0.0).astype(np.float32)
    photo, blue = mixture(alpha), np.float32([-0.9, -0.5, 0.9])
    found = matte(photo, MASK)
    changed = photo + (1 - found.opacity[..., None]) * (blue - found.background)
    expected = alpha[..., None] * RED + (1 - alpha[..., None]) * blue
    assert np.abs(changed - expected)[MASK].mean() < 0.02


def test_an_object_of_the_backgrounds_colour_is_opaque():
    photo = np.broadcast_to(GREY, (H, W, 3)) + 0.02 * MASK[..., None]
    np.testing.assert_array_equal(matte(np.float32(photo), MASK).opacity, 1)


def test_what_is_clear_hangs_together_with_the_outside():
    """A spot of the background's colour inside the rim is the object's own."""
    spot = np.hypot(Y - 180, X - 190 - 86.5) < 1.2
    alpha = (MASK & ~spot).astype(np.float32)
    found = matte(mixture(alpha), MASK)
    assert found.opacity[spot & ~ndimage.binary_dilation(~MASK, iterations=2)].min() == 1


@pytest.mark.parametrize("mask", [np.zeros((H, W), bool), np.ones((H, W), bool), X == 120])
def test_nothing_everything_and_a_line_are_opaque(mask):
    found = matte(mixture(mask.astype(np.float32)), mask)
    np.testing.assert_array_equal(found.opacity, 1)
    assert np.isfinite(found.background).all()


def test_an_edge_of_the_backgrounds_colour_is_the_objects_own():
    """Half of the outline looks like the background, but the mask fits the other half."""
    pale = MASK & (X < 190)
    found = matte(mixture((MASK & ~pale).astype(np.float32)), MASK)
    inside = ndimage.binary_erosion(MASK, np.ones((3, 3)))
    assert found.opacity[inside].min() == 1


def test_outside_the_mask_opacity_is_its_edges():
    found = matte(mixture((DISTANCE < 87).astype(np.float32)), MASK)
    beside = ndimage.binary_dilation(MASK) & ~MASK
    assert found.opacity[beside].max() < 0.05


def noisy(alpha, deviation=0.03):
    noise = np.random.default_rng(0).normal(0, deviation, (H, W, 3))
    return np.float32(mixture(alpha) + noise)


def test_of_a_mask_that_fits_only_its_neighbours_are_stained():
    found = stained(noisy(MASK.astype(np.float32)), MASK)
    beside = ndimage.binary_dilation(MASK, np.ones((3, 3)))
    assert found[beside].all()
    assert (found & ~beside).sum() < 0.01 * beside.sum()


def test_what_a_mask_leaves_out_is_stained():
    """The object is two pixels larger than its mask."""
    found = stained(noisy((DISTANCE < 92).astype(np.float32)), MASK)
    assert found[DISTANCE < 91.5].all()
    assert not found[DISTANCE > 96].any()


def test_a_thing_of_the_objects_colour_elsewhere_is_no_stain():
    spot = np.hypot(Y - 180, X - 340) < 4
    found = stained(noisy((MASK | spot).astype(np.float32)), MASK)
    assert not found[spot].any()


@pytest.mark.parametrize("brightness", [-0.9, 0.0, 0.9])
def test_ground_that_shows_only_through_a_gap_is_no_stain(brightness):
    """Between spokes there is nothing farther out to compare with: it is left as it is."""
    block = (np.abs(Y - 192) < 100) & (np.abs(X - 192) < 100)
    mask = block & (np.abs(X - 192) > 3)
    photo = np.where(mask[..., None], RED, np.float32(brightness))
    found = stained(photo, mask)
    neighbours = ndimage.binary_dilation(mask, np.ones((3, 3)))
    np.testing.assert_array_equal(found[block], neighbours[block])


@pytest.mark.parametrize("corner", [0, 200])
def test_a_small_object_is_opaque_wherever_it_lies(corner):
    """No part of it is deep enough to say what colour it has."""
    mask = np.zeros((H, W), bool)
    mask[corner + 1 : corner + 6, corner + 1 : corner + 10] = True
    shown = ndimage.binary_erosion(mask)  # the mask is a pixel too wide
    np.testing.assert_array_equal(matte(mixture(shown.astype(np.float32)), mask).opacity, 1)


@pytest.mark.parametrize("mask", [np.zeros((H, W), bool), np.ones((H, W), bool)])
def test_nothing_stains_nothing_and_everything_all(mask):
    np.testing.assert_array_equal(stained(noisy(mask.astype(np.float32)), mask), mask)


def test_a_light_of_the_object_is_stained_though_it_is_faint():
    """Each pixel of it could be the background's own, their mean could not."""
    light = ~MASK & (DISTANCE < 93) & (X < 190)
    lit = noisy(MASK.astype(np.float32), 0.1) + np.float32(0.15) * light[..., None]
    found = stained(lit, MASK)
    assert found[light & (X < 170)].mean() > 0.95
    assert found[~MASK & (DISTANCE > 92) & (X > 210)].mean() < 0.05
