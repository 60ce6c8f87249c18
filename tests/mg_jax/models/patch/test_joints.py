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


def test_blocks_of_an_estimated_flow_do_not_tear_what_hangs_together():
    blocks = 1.5 * np.random.default_rng(1).normal(size=(H // 4, W // 4, 2))
    rough = pushed(DISC) + np.repeat(np.repeat(blocks, 4, 0), 4, 1) * DISC[..., None]
    found = joints.faded(TEXTURE, rough.astype(np.float32))
    # No neighbours change places any more.
    assert np.diff(found[..., 0], axis=1).min() > -1
    assert np.diff(rough[..., 0], axis=1)[:, 60:100].min() < -1
    # An object of its own keeps its motion.
    photo = TEXTURE + np.where(DISC[..., None], RED, BLUE)
    assert np.diff(joints.faded(photo, rough.astype(np.float32))[..., 0], axis=1).min() < -1


TRUNK = (np.abs(X - 80) < 14) & (Y >= 90)
TREE = DISC | TRUNK
CROWN = TREE & (Y < 112)


def test_a_limb_is_not_torn_where_the_mask_cuts_it_and_the_rest_of_the_border_is_a_rim():
    """A crown gets slim, towards the trunk's middle; the mask ends across the trunk."""
    photo = TEXTURE + np.where(TREE[..., None], RED, BLUE)
    flow = np.where(CROWN[..., None], np.stack([0.5 * (80.0 - X), 0 * X], axis=-1), 0.0)
    found = joints.faded(photo, flow.astype(np.float32))
    across = np.abs(np.diff(found[..., 0], axis=0))[100:140, 68:93]
    assert np.abs(np.diff(flow[..., 0], axis=0))[100:140, 68:93].max() == pytest.approx(6)
    assert across.max() < 2
    assert found[112:116, 69:79].any()
    upper = Y < 80  # far from the trunk
    np.testing.assert_array_equal(found[upper], flow[upper].astype(np.float32))


def test_no_limb_is_where_the_motion_jumps_far():
    photo = TEXTURE + np.where(TREE[..., None], RED, BLUE)
    flow = pushed(CROWN, 24.0)
    np.testing.assert_array_equal(joints.faded(photo, flow), flow)


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


@pytest.mark.parametrize("radius", [6, 12, 36])
def test_the_core_of_a_part_moves_as_it_was_told_however_far(radius):
    small = np.hypot(Y - 72, X - 40) <= radius
    found = joints.faded(TEXTURE, pushed(small, 60.0))
    np.testing.assert_array_equal(found[72, 40], [60, 0])


@pytest.mark.parametrize("times", [1, 2, 4])
def test_what_hangs_together_does_not_depend_on_the_pictures_size(times):
    own, part = (
        np.kron(picture, np.ones((times, times, 1), np.float32))
        for picture in (TEXTURE + np.where(DISC[..., None], RED, BLUE), TEXTURE)
    )
    disc = np.kron(DISC, np.ones((times, times), bool)).astype(bool)
    flow = pushed(disc, 24.0 * times)
    np.testing.assert_array_equal(joints.faded(own, flow), flow)
    followed = joints.faded(part, flow)[~disc].any(axis=-1).mean()
    assert 0.05 < followed < 0.5


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


@pytest.mark.parametrize(("length", "stays"), [(5.0, False), (10.0, True)])
def test_a_patch_of_noise_is_rest_and_a_second_object_is_not(length, stays):
    """Codecs leave blocks of slow motion beside what moves."""
    other = (Y < 16) & (X > 150)
    photo = TEXTURE + np.where((DISC | other)[..., None], RED, BLUE)
    estimated = pushed(DISC, 20.0) + pushed(other, length) + np.float32([0.01, 0.01])
    found = joints.faded(photo, estimated)
    assert found[other].any() == stays
    np.testing.assert_array_equal(found[DISC], estimated[DISC])


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
