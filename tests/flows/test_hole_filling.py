"""Flows continued where they are not known."""

import numpy as np
import pytest

from flows.hole_filling import spread

H, W = 37, 50
FLOW = np.random.default_rng(0).normal(0, 5, (H, W, 2)).astype(np.float32)


def some(share):
    return np.random.default_rng(1).random((H, W)) < share


@pytest.mark.parametrize("share", [0.01, 0.3, 1.0])
def test_what_is_known_is_kept(share):
    known = some(share)
    np.testing.assert_array_equal(spread(FLOW, known)[known], FLOW[known])


@pytest.mark.parametrize("share", [0.01, 0.3])
def test_nothing_lies_outside_what_is_known(share):
    known = some(share)
    found = spread(FLOW, known)
    assert (found >= FLOW[known].min(0) - 1e-6).all()
    assert (found <= FLOW[known].max(0) + 1e-6).all()


def test_unknown_values_do_not_count():
    known = some(0.3)
    poisoned = np.where(known[..., None], FLOW, np.float32(np.nan))
    np.testing.assert_array_equal(spread(poisoned, known), spread(FLOW, known))


def test_one_known_pixel_is_everywhere():
    known = np.zeros((H, W), bool)
    known[30, 7] = True
    np.testing.assert_allclose(spread(FLOW, known), np.broadcast_to(FLOW[30, 7], (H, W, 2)), 1e-6)


def test_a_hole_in_an_affine_flow_is_filled_nearly_as_it_was():
    y, x = np.mgrid[:H, :W]
    affine = np.stack([0.2 * x - 0.1 * y, 0.05 * x + 3], axis=-1)
    known = np.ones((H, W), bool)
    known[12:20, 16:28] = False
    assert np.abs(spread(affine, known) - affine).max() < 0.2 * 4


def test_it_is_continuous():
    known = np.zeros((H, W), bool)
    known[10:20, 10:20] = True
    y, x = np.mgrid[:H, :W]
    found = spread(np.stack([0.1 * x, 0.1 * y], axis=-1), known)
    steps = [np.abs(np.diff(found, axis=axis)).max() for axis in (0, 1)]
    assert max(steps) < 0.5


def test_a_flow_known_nowhere_cannot_be_spread():
    with pytest.raises(ValueError, match="known nowhere"):
        spread(FLOW, np.zeros((H, W), bool))
