"""Matting: mixtures of two colours are told, what cannot be told is as the mask says.

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


def cut(photo, mask=MASK, dx=50.0):
    return matte(photo, np.where(mask[..., None], np.float32([dx, 0]), 0), mask)


def before(found, ground):
    """The object before another ground."""
    share = found.opacity[..., None]
    return share * found.color + (1 - share) * ground


def test_a_mask_that_fits_is_the_opacity():
    found = cut(mixture(MASK.astype(np.float32)))
    np.testing.assert_allclose(found.opacity, MASK, atol=0.05)


def test_background_at_the_rim_is_clear():
    """The object is three pixels smaller than the mask all round."""
    found = cut(mixture((DISTANCE < 87).astype(np.float32)))
    assert found.opacity[MASK & (DISTANCE >= 87.5)].max() < 0.1
    assert found.opacity[DISTANCE < 83].min() == 1
    assert found.opacity[DISTANCE < 86].min() > 0.9


def before_bricks(shown):
    """What is shown in red, before pale bricks with dark joints, which only mixtures explain."""
    joints = (Y % 9 < 2) | ((X + 4 * (Y // 9)) % 13 < 2)
    dark, pale = np.float32([-0.3, -0.5, -0.5]), np.float32([0.5, 0.5, 0.4])
    bricks = np.where(joints[..., None], dark, pale)
    return np.where(shown[..., None], RED, bricks).astype(np.float32)


def test_a_patterned_background_in_a_wide_mask_is_clear():
    """The object is four pixels smaller than the mask all round."""
    opacity = cut(before_bricks(DISTANCE < 86)).opacity
    assert opacity[DISTANCE >= 89].max() < 0.05
    assert opacity[MASK & (DISTANCE >= 86)].mean() < 0.1
    assert opacity[DISTANCE < 85].min() > 0.9


def test_a_mask_that_is_wide_on_one_side_is_cut_there_alone():
    shown = np.hypot(Y - 180, (X - 190) * np.where(X < 190, 90 / 86, 1)) < 90
    opacity = cut(before_bricks(shown)).opacity
    left = MASK & ~shown & (np.abs(Y - 180) < 40)
    assert opacity[left].mean() < 0.1
    assert opacity[MASK & (X > 210)].mean() > 0.99


def test_an_object_with_spots_like_the_background_keeps_them():
    """They lie at its outline, where its mask fits."""
    photo = before_bricks(MASK)
    bare = before_bricks(np.zeros_like(MASK))
    spots = MASK & (np.arctan2(Y - 180, X - 190) % 0.3 < 0.08) & (DISTANCE > 84)
    opacity = cut(np.where(spots[..., None], bare, photo)).opacity
    assert opacity[MASK & ~spots].min() > 0.9
    assert opacity[spots].mean() > 0.5


@pytest.mark.parametrize("middle", [88, 90, 91])
def test_a_soft_edge_has_its_own_opacity(middle):
    """Inside the mask, and outside it."""
    alpha = np.clip((middle + 1.5 - DISTANCE) / 3, 0, 1)
    found = cut(mixture(alpha))
    mixed = (alpha > 0) & (alpha < 1)
    assert np.abs(found.opacity - alpha)[mixed].mean() < 0.08


@pytest.mark.parametrize("middle", [87, 90])
def test_before_another_ground_nothing_of_the_old_one_is_left(middle):
    alpha = np.clip((middle + 1 - DISTANCE) / 2, 0, 1).astype(np.float32)
    blue = np.float32([-0.9, -0.5, 0.9])
    expected = alpha[..., None] * RED + (1 - alpha[..., None]) * blue
    rim = np.abs(DISTANCE - middle) < 4
    assert np.abs(before(cut(mixture(alpha)), blue) - expected)[rim].mean() < 0.06


def test_before_its_own_ground_it_is_the_photo():
    alpha = np.clip((91 - DISTANCE) / 2, 0, 1).astype(np.float32)
    photo = mixture(alpha)
    np.testing.assert_allclose(before(cut(photo), GREY), photo, atol=0.1)


def test_inside_the_object_the_photo_is_its_colour():
    photo = noisy(MASK.astype(np.float32))
    found = cut(photo)
    np.testing.assert_array_equal(found.color[DISTANCE < 80], photo[DISTANCE < 80])


def test_an_object_of_the_backgrounds_colour_is_its_mask():
    photo = np.broadcast_to(GREY, (H, W, 3)) + np.random.default_rng(0).normal(0, 0.03, (H, W, 3))
    opacity = cut(np.float32(photo)).opacity
    assert np.abs(opacity - MASK).mean() < 0.02
    assert ((opacity > 0.5) == MASK).mean() > 0.99


@pytest.mark.parametrize("mask", [np.zeros((H, W), bool), np.ones((H, W), bool), X == 120])
def test_nothing_everything_and_a_line_are_their_masks(mask):
    found = cut(mixture(mask.astype(np.float32)), mask)
    np.testing.assert_array_equal(found.opacity, mask)
    assert np.isfinite(found.color).all()


def test_what_moves_little_is_its_mask():
    loose = mixture((DISTANCE < 87).astype(np.float32))
    np.testing.assert_array_equal(cut(loose, dx=2.0).opacity, MASK)


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
def test_a_small_object_is_its_mask_wherever_it_lies(corner):
    """No part of it is deep enough to say what colour it has."""
    mask = np.zeros((H, W), bool)
    mask[corner + 1 : corner + 6, corner + 1 : corner + 10] = True
    shown = ndimage.binary_erosion(mask)  # the mask is a pixel too wide
    np.testing.assert_array_equal(cut(mixture(shown.astype(np.float32)), mask).opacity, mask)


@pytest.mark.parametrize("radius", [6.1, 6.5, 7.1, 8, 10])
def test_of_an_object_with_few_pixels_to_compare_nothing_is_cut_away(radius):
    """At first none of it is deep enough to say what colour it has, then one pixel, five, more."""
    mask = np.hypot(Y - 180, X - 190) < radius
    opacity = cut(mixture(mask.astype(np.float32)), mask).opacity
    np.testing.assert_allclose(opacity, mask, atol=0.05)


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
