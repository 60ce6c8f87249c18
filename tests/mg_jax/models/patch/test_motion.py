"""The motion value: made once, of parts that agree with one another."""

import numpy as np
import pytest

from flows import masks, motions, nearest
from flows.motion import Motion
from mg_jax.models.patch import layers
from mg_jax.models.patch.motion import layered

H, W = 96, 128
Y, X = np.mgrid[:H, :W]
RNG = np.random.default_rng(0)
ONE = (np.abs(Y - 30) <= 12) & (np.abs(X - 30) <= 14)
OTHER = (np.abs(Y - 66) <= 10) & (np.abs(X - 90) <= 12)
COLOURS = np.where(ONE[..., None], [220, 40, 40], np.where(OTHER[..., None], [40, 40, 220], 128))
OBJECTS = (COLOURS + RNG.integers(-9, 9, (H, W, 1))).astype(np.uint8)
PLAIN = (128 + RNG.integers(-9, 9, (H, W, 3))).astype(np.uint8)
WORDS = ["translate dx=30 dy=9", "rotate degrees=70", "scale factor=1.7", "translate dx=-60"]


def flow(words="translate dx=6 dy=4"):
    one = motions.field(motions.parse(words), ONE)
    return one + motions.field(motions.parse("translate dx=-6"), OTHER)


@pytest.mark.parametrize("photo", [OBJECTS, PLAIN], ids=["objects", "plain"])
@pytest.mark.parametrize("words", WORDS)
def test_its_parts_agree_and_the_region_has_them_all(photo, words):
    motion = layered(photo, Motion(flow(words)))
    assert motion.flow.dtype == np.float32
    np.testing.assert_array_equal(motion.moving, masks.solid(motion.flow))
    np.testing.assert_array_equal(motion.landed, masks.destination(motion.flow))
    np.testing.assert_array_equal(motion.order > 0, motion.moving)
    assert motion.region[motion.moving | motion.landed].all()
    touched = motion.moving | motion.landed
    assert not motion.region[nearest.distance(touched) > masks.margin(motion.flow)].any()
    assert not motion.region.all()


def test_objects_of_their_own_move_as_asked():
    np.testing.assert_array_equal(layered(OBJECTS, Motion(flow())).flow, flow())


def test_at_a_joint_more_moves_than_was_asked():
    motion = layered(PLAIN, Motion(flow()))
    assert (motion.moving & ~masks.solid(flow())).sum() > 50
    assert motion.region.sum() > layered(OBJECTS, Motion(flow())).region.sum()


def test_the_order_that_is_given_is_kept_and_what_follows_has_that_of_what_it_follows():
    order = np.where(ONE, 5, np.where(OTHER, 2, 0))
    for photo in (OBJECTS, PLAIN):
        motion = layered(photo, Motion(flow()), order)
        assert (motion.order[ONE & motion.moving] == 5).all()
        assert (motion.order[OTHER & motion.moving] == 2).all()
        followed = np.where(nearest.distance(ONE) < nearest.distance(OTHER), 5, 2)
        tied = nearest.distance(ONE) == nearest.distance(OTHER)
        follows = motion.moving & ~tied
        np.testing.assert_array_equal(motion.order[follows], followed[follows])


@pytest.mark.parametrize("order", [None, np.zeros((H, W), np.int32)])
def test_without_an_order_parts_are_layers(order):
    motion = layered(OBJECTS, Motion(flow()), order)
    np.testing.assert_array_equal(motion.order, layers.order(motion.moving))
    assert motion.order[30, 30] > motion.order[66, 90]  # the larger lies on top
