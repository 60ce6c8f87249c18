"""What is left of an estimated flow."""

import numpy as np
import pytest

from flows.cleaning import clean

H, W = 48, 64
BLOCK = np.zeros((H, W), bool)
BLOCK[10:34, 12:40] = True
SURE = np.ones((H, W), bool)
MOTION = np.array([9, -4], np.float32)


def flow(region=BLOCK, motion=MOTION):
    return np.where(region[..., None], motion, np.float32(0))


def rounded(region):
    """The region as the median leaves it: without its corners."""
    return clean(flow(region), SURE, 0.1, 1).any(-1)


def test_a_clean_flow_loses_no_more_than_its_corners():
    found = clean(flow(), SURE, 1.0, 20)
    moved = found.any(-1)
    assert not (moved & ~BLOCK).any()
    assert (BLOCK & ~moved).sum() == 4 * 3
    assert (found[moved] == MOTION).all()


def test_cleaning_again_changes_little():
    once = clean(flow(), SURE, 1.0, 20)
    assert (clean(once, SURE, 1.0, 20) != once).any(-1).sum() <= 4 * 3


def test_noise_below_the_least_motion_rests_exactly():
    noise = np.random.default_rng(0).uniform(-0.6, 0.6, (H, W, 2)).astype(np.float32)
    found = clean(flow() + noise, SURE, 1.0, 20)
    moved = found.any(-1)
    assert not moved[~BLOCK].any()
    assert moved[BLOCK].mean() > 0.97
    assert np.abs(found - MOTION)[moved].max() < 0.6


def test_single_wrong_pixels_vanish():
    wrong = np.random.default_rng(0).random((H, W)) < 0.04
    broken = flow()
    broken[wrong] = (-30, 20)
    found = clean(broken, SURE, 1.0, 20)
    np.testing.assert_array_equal(np.unique(found[..., 0]), [0, 9])


def test_small_regions_are_dropped_and_small_holes_move():
    speck, hole = np.zeros((2, H, W), bool)
    speck[38:44, 50:57] = True
    hole[18:24, 20:27] = True
    region = (BLOCK | speck) & ~hole
    np.testing.assert_array_equal(clean(flow(region), SURE, 1.0, 50).any(-1), rounded(BLOCK))
    np.testing.assert_array_equal(clean(flow(region), SURE, 1.0, 20).any(-1), rounded(region))


def test_unknown_pixels_whose_estimate_moves_go_with_their_neighbours():
    patch = np.zeros((H, W), bool)
    patch[10:34, 30:40] = True
    estimate = flow()
    estimate[patch] = (6, -1)  # nearer to the block's motion than to rest
    found = clean(estimate, ~patch, 1.0, 20)
    assert (found[found.any(-1)] == MOTION).all()
    np.testing.assert_array_equal(found.any(-1), rounded(BLOCK) | patch)


@pytest.mark.parametrize("estimate", [(0, 0), (3, -1), (-30, 10)])
def test_unknown_pixels_whose_estimate_is_nearer_to_rest_do_not_trail_along(estimate):
    covered = np.zeros((H, W), bool)
    covered[10:34, 40:49] = True
    given = flow() + flow(covered, np.array(estimate, np.float32))
    found = clean(given, ~covered, 1.0, 20)
    assert not found[covered].any()
    assert found[BLOCK].any(-1).mean() > 0.97


def test_nothing_certain_is_nothing_moving():
    assert not clean(flow(), ~SURE, 1.0, 20).any()
    assert not clean(np.zeros((H, W, 2), np.float32), SURE, 0.0, 1).any()
