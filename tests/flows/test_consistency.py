"""What the way back says of the way there."""

import jax.numpy as jnp
import numpy as np
import pytest

from flows import geometry
from flows.consistency import consistent

H, W = 40, 56


def everywhere(dx, dy):
    return np.broadcast_to(np.array([dx, dy], np.float32), (H, W, 2))


@pytest.mark.parametrize("motion", [(0, 0), (7, -3), (-60, 0), (0.4, 0.4)])
def test_a_motion_and_its_inverse_agree_everywhere(motion):
    dx, dy = motion
    assert consistent(everywhere(dx, dy), everywhere(-dx, -dy)).all()


def test_a_turn_and_its_inverse_agree_everywhere():
    y, x = np.mgrid[:H, :W].astype(np.float32)
    turn = 0.1 * np.stack([H / 2 - y, x - W / 2], axis=-1)
    back = np.asarray(geometry.invert(jnp.asarray(turn)))
    assert consistent(turn, back).all()


def test_a_way_back_that_ends_elsewhere_is_not_believed_but_where_the_way_leaves_the_picture():
    found = consistent(everywhere(10, 0), everywhere(10, 0))
    assert not found[:, : W - 10].any()
    assert found[:, W - 10 :].all()


@pytest.mark.parametrize(("gap", "believed"), [(0.99, True), (1.01, False)])
def test_the_tolerance_is_sundarams(gap, believed):
    # |f + b| = e with |f| = 10, |b| = 10 - e: at the threshold e² = .01·(100 + (10 - e)²) + .5
    limit = (-0.2 + np.sqrt(0.04 + 4 * 0.99 * 2.5)) / (2 * 0.99)
    assert limit**2 == pytest.approx(0.01 * (100 + (10 - limit) ** 2) + 0.5)
    found = consistent(everywhere(10, 0), everywhere(gap * limit - 10, 0))
    assert (found[:, : W - 10] == believed).all()


def test_what_a_moving_block_covers_is_not_believed():
    there, back = np.zeros((2, H, W, 2), np.float32)
    there[10:20, 10:20] = (15, 0)  # and its place is at rest
    back[10:20, 25:35] = (-15, 0)
    found = consistent(there, back)
    covered = np.zeros((H, W), bool)
    covered[10:20, 25:35] = True
    np.testing.assert_array_equal(found, ~covered)
