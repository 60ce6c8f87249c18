"""A motion, and what follows from it: laws, and that each thing is computed once."""

import numpy as np
from scipy import ndimage

from flows import geometry, masks, motions
from flows.motion import Motion

H, W = 40, 50


def block():
    mask = np.zeros((H, W), bool)
    mask[10:20, 12:26] = True
    return mask


def moved(words):
    return Motion(motions.field(motions.parse(words), block()))


def test_without_motion_every_region_is_empty_and_all_is_background():
    rest = Motion(np.zeros((H, W, 2), np.float32))
    assert not (rest.moving | rest.solid | rest.destination | rest.touched | rest.region).any()
    assert rest.background.all()
    assert rest.visible.all()
    assert rest.leaving == 0


def test_it_has_what_the_functions_say():
    motion = moved("rotate degrees=30")
    np.testing.assert_array_equal(motion.moving, masks.moving(motion.flow))
    np.testing.assert_array_equal(motion.solid, masks.solid(motion.flow))
    np.testing.assert_array_equal(motion.destination, masks.destination(motion.flow))
    np.testing.assert_array_equal(motion.visible, geometry.occlusion_mask(motion.flow))


def test_what_is_near_holds_source_and_destination_and_grows_with_its_margin():
    motion = moved("translate dx=9 dy=4")
    np.testing.assert_array_equal(motion.near(0.0), motion.touched)
    for margin in (1.0, 3.5, 8.0):
        region = motion.near(margin)
        distance = ndimage.distance_transform_edt(~motion.touched)
        assert region[motion.touched].all()
        assert distance[region].max() <= margin
        assert distance[~region].min() > margin
    np.testing.assert_array_equal(motion.region, motion.near(masks.margin(motion.flow)))


def test_the_background_is_all_that_the_motion_does_not_touch():
    expected = np.ones((H, W), bool)
    expected[9:21, 11:36] = False
    np.testing.assert_array_equal(moved("translate dx=9").background, expected)


def test_a_share_of_what_moves_may_leave_the_picture():
    assert moved("translate dx=9").leaving == 0
    assert moved("translate dx=31").leaving == 0.5


def test_each_thing_is_computed_once():
    motion = moved("translate dx=9")
    for name in ("moving", "solid", "destination", "touched", "region", "background", "visible"):
        assert getattr(motion, name) is getattr(motion, name)
