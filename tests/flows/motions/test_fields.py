"""Flows of one and of several objects, and what leaves the picture."""

import numpy as np
import pytest

from flows import motions

from .drawing import H, W, block, field


def test_the_share_that_leaves_the_picture():
    mask = block()
    assert motions.leaving(field("translate dx=24 dy=20"), mask) == 0  # up to the last pixel
    assert motions.leaving(field("translate dx=500"), mask) == 1
    assert motions.leaving(field("translate dx=-19"), mask) == 0.5
    assert motions.leaving(np.zeros((H, W, 2), np.float32), np.zeros((H, W), bool)) == 0


def test_an_empty_mask_is_refused():
    with pytest.raises(ValueError, match="selects no pixel; expected an object"):
        field("translate dx=5", np.zeros((H, W), bool))


def pair(text, mask):
    return motions.parse(text), mask


LEFT, RIGHT = block(columns=(5, 15)), block(columns=(12, 30))


def test_objects_apart_move_each_its_own_way():
    right = block(columns=(20, 30))
    flow = motions.together([pair("translate dx=-3", LEFT), pair("rotate degrees=40", right)])
    np.testing.assert_array_equal(
        flow, field("translate dx=-3", LEFT) + field("rotate degrees=40", right)
    )


def test_the_later_object_lies_on_top():
    flow = motions.together([pair("translate dx=-3", LEFT), pair("translate dy=2", RIGHT)])
    assert (flow[RIGHT] == [0, 2]).all()
    assert (flow[LEFT & ~RIGHT] == [-3, 0]).all()
    assert not flow[~(LEFT | RIGHT)].any()


def test_an_object_beneath_another_keeps_its_own_middle():
    flow = motions.together([pair("scale factor=2", LEFT), pair("translate dx=1", RIGHT)])
    alone = field("scale factor=2", LEFT)
    np.testing.assert_array_equal(flow[LEFT & ~RIGHT], alone[LEFT & ~RIGHT])


def test_the_order_is_that_of_the_objects_and_the_flow_moves_with_it():
    middle = block(columns=(13, 14))
    objects = [pair(f"translate dx={3 + i}", mask) for i, mask in enumerate((LEFT, RIGHT, middle))]
    order = motions.order(objects)
    assert order.shape == (H, W)
    assert (order[LEFT & ~RIGHT] == 1).all()
    assert (order[RIGHT & ~middle] == 2).all()
    assert (order[middle] == 3).all()
    assert not order[~(LEFT | RIGHT)].any()
    np.testing.assert_array_equal(motions.together(objects)[..., 0], np.where(order, 2 + order, 0))


def test_one_object_together_is_its_field():
    alone = motions.together([pair("bend degrees=20 along=0", LEFT)])
    np.testing.assert_array_equal(alone, field("bend degrees=20 along=0", LEFT))


@pytest.mark.parametrize(
    ("objects", "complaint"),
    [
        ([], "none given"),
        ([pair("translate dx=1", LEFT), pair("translate dx=2", LEFT)], "after mask 1 cover it"),
        ([pair("translate dx=1", LEFT), pair("translate dx=2", LEFT.T)], "expected one size"),
        ([pair("translate dx=1", LEFT), pair("translate dx=2", LEFT & False)], "selects no pixel"),
    ],
)
@pytest.mark.parametrize("draw", [motions.together, motions.order])
def test_objects_that_do_not_go_together_are_refused(draw, objects, complaint):
    with pytest.raises(ValueError, match=complaint):
        draw(objects)


@pytest.mark.parametrize(
    "text",
    [
        "scale factor=1e6",
        "translate dx=9e5; translate dx=9e5",
        "; ".join(["scale factor=1e6"] * 99),
    ],
)
def test_a_motion_beyond_any_picture_is_refused(text):
    with pytest.raises(ValueError, match="moves a pixel by more than 1,000,000; expected less"):
        field(text)
