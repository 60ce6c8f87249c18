"""Joints: what hangs together fades like a sheet, objects of their own move as the flow says."""

import numpy as np
import pytest

from flows import masks, nearest
from mg_jax.models.patch import joints

H, W = 144, 176
Y, X = np.mgrid[:H, :W]
RNG = np.random.default_rng(0)
TEXTURE = RNG.uniform(-0.1, 0.1, (H, W, 3)).astype(np.float32)
DISC = np.hypot(Y - 72, X - 80) <= 36
RED, BLUE = np.float32([0.8, -0.8, -0.8]), np.float32([-0.8, -0.8, 0.8])


def pushed(mask, dx=16.0, dy=0.0):
    return np.where(mask[..., None], np.float32([dx, dy]), np.float32([0, 0]))


def jumps(flow):
    """The longest difference of two neighbours."""
    return max(np.linalg.norm(np.diff(flow, axis=axis), axis=-1).max() for axis in (0, 1))


@pytest.mark.parametrize("dx", [1.0, 16.25, -40.0])
def test_an_object_of_its_own_moves_as_the_flow_says_bit_for_bit(dx):
    photo = TEXTURE + np.where(DISC[..., None], RED, BLUE)
    np.testing.assert_array_equal(joints.faded(photo, pushed(DISC, dx)), pushed(DISC, dx))


@pytest.mark.parametrize(("dx", "dy"), [(16.0, 0.0), (0.0, -24.0), (-10.0, 10.0)])
def test_a_part_of_one_texture_moves_on_into_it_without_a_tear(dx, dy):
    flow = pushed(DISC, dx, dy)
    found = joints.faded(TEXTURE, flow)
    jump = np.hypot(dx, dy)
    assert jumps(flow) == pytest.approx(jump)
    assert jumps(found) < 0.3 * jump
    assert found[~DISC].any()
    # Beyond a band about as wide as the jump it rests, and deep inside it moves as the flow says.
    assert not found[nearest.distance(DISC) > jump + 8].any()
    deep = nearest.distance(~DISC) > 1.5 * jump + 8
    np.testing.assert_array_equal(found[deep], flow[deep])


def test_the_sheet_lies_between_rest_and_the_motion():
    """A membrane has no extremum but where it is held."""
    found = joints.faded(TEXTURE, pushed(DISC))
    assert found[..., 0].min() >= 0
    assert found[..., 0].max() <= 16
    assert not found[..., 1].any()


def test_along_a_straight_joint_the_sheet_is_a_slope():
    found = joints.faded(TEXTURE, pushed(X < 88))[72, :, 0]
    assert (np.diff(found) <= 1e-5).all()
    between = np.nonzero((found > 2) & (found < 14))[0]
    assert between.min() < 88 < between.max()
    np.testing.assert_allclose(np.diff(found, 2)[between[1:-2]], 0, atol=0.05)


def test_at_a_clear_rim_nothing_follows_and_at_a_joint_all_does():
    """A head of a body's colours, half of it before the sky."""
    head = (np.abs(Y - 60) <= 20) & (np.abs(X - 88) <= 40)
    body = Y >= 60
    photo = TEXTURE + np.where((head | body)[..., None], RED, BLUE)
    flow = pushed(head, dx=0.0, dy=-10.0)
    found = joints.faded(photo, flow)
    middle = slice(70, 106)
    # Above the head the sky rests, and the head's crown moves as it was told.
    assert not found[:36, middle].any()
    np.testing.assert_array_equal(found[42:50, middle], flow[42:50, middle])
    # Below it the motion fades.
    column = found[60:, 88, 1]
    assert np.abs(np.diff(column)).max() < 3
    assert -10 < found[82, 88, 1] < 0


def test_a_motion_too_small_to_tear_stays():
    flow = pushed(DISC, 1.0)
    np.testing.assert_array_equal(joints.faded(TEXTURE, flow), flow)


def test_noise_of_an_estimated_flow_is_rest():
    photo = TEXTURE + np.where(DISC[..., None], RED, BLUE)
    noise = RNG.normal(0, 0.3, (H, W, 2)).astype(np.float32)
    estimated = pushed(DISC, 20.0) + noise
    assert masks.solid(estimated).mean() > 0.99
    found = joints.faded(photo, estimated)
    np.testing.assert_array_equal(found[DISC], estimated[DISC])
    assert not found[~DISC].any()


def test_a_camera_that_moves_is_no_noise():
    photo = TEXTURE + np.where(DISC[..., None], RED, BLUE)
    estimated = pushed(DISC, 20.0) + np.float32([2, 1])
    estimated += RNG.normal(0, 0.3, estimated.shape).astype(np.float32)
    np.testing.assert_array_equal(joints.faded(photo, estimated), estimated)


def test_where_all_moves_or_nothing_does_there_is_no_joint():
    for mask in (np.ones((H, W), bool), np.zeros((H, W), bool)):
        flow = pushed(mask)
        np.testing.assert_array_equal(joints.faded(TEXTURE, flow), flow)


@pytest.mark.parametrize("where", [np.s_[:1, :1], np.s_[70:71, 3:90], np.s_[:, 3:], np.s_[5:, :]])
def test_odd_parts_have_finite_motions(where):
    mask = np.zeros((H, W), bool)
    mask[where] = True
    found = joints.faded(TEXTURE, pushed(mask, 60.0, -30.0))
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
