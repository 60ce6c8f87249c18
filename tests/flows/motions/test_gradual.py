"""Motions that are nothing at one end and full at the other."""

import numpy as np
import pytest

from .drawing import H, W, block, field, goal

ROD = block(rows=(20, 21), columns=(5, 46))  # 41 pixels, 40 between its ends
BAR = block(rows=(18, 23), columns=(5, 46))
ENDS = {0: (5, 45), 180: (45, 5)}


@pytest.mark.parametrize("along", ENDS)
@pytest.mark.parametrize("factor", [0.01, 0.5, 1, 3])
def test_growing_starts_at_1_ends_at_the_factor_and_never_folds(factor, along):
    start, end = ENDS[along]
    x = np.arange(5, 46) + field(f"grow factor={factor} along={along}", ROD)[20, 5:46, 0]
    assert x[start - 5] == start
    steps = np.diff(x)[:: 1 if along == 0 else -1]
    assert (steps > 0).all()
    # The stretch at the middle of each step rises evenly from end to end.
    np.testing.assert_allclose(steps, 1 + (factor - 1) * (np.arange(40) + 0.5) / 40, atol=1e-5)
    np.testing.assert_allclose(np.abs(x[end - 5] - start), 40 * (1 + factor) / 2, rtol=1e-5)


@pytest.mark.parametrize(("along", "component", "sign"), [(0, 0, 1), (90, 1, -1), (-90, 1, 1)])
def test_growing_goes_along_its_axis_alone(along, component, sign):
    flow = field(f"grow factor=2 along={along}")
    assert np.abs(flow[..., 1 - component]).max() < 1e-5
    assert (sign * flow[..., component]).max() > 2
    assert (sign * flow[..., component]).min() >= -1e-6


@pytest.mark.parametrize("turn", [90, 180, 37])
def test_growing_does_not_depend_on_the_direction(turn):
    turned = f"rotate degrees={turn}; grow factor=2 along={turn}; rotate degrees={-turn}"
    # Turning back is about the grown object's middle: up to a translation.
    apart = (field(turned, BAR) - field("grow factor=2 along=0", BAR))[BAR]
    np.testing.assert_allclose(apart, np.broadcast_to(apart[0], apart.shape), atol=1e-4)


@pytest.mark.parametrize("degrees", [-300, -40, 1e-9, 0, 25, 90, 180])
def test_bending_keeps_lengths_along_the_spine(degrees):
    x = np.arange(5, 46)
    ends = np.stack([x, np.full(41, 20)], -1) + field(f"bend degrees={degrees} along=0", ROD)[20, x]
    lengths = np.linalg.norm(np.diff(ends, axis=0), axis=-1)
    step = np.radians(degrees) / 40
    np.testing.assert_allclose(lengths, np.sinc(step / 2 / np.pi), atol=1e-5)  # an arc's chord


@pytest.mark.parametrize("degrees", [-60, 30, 90])
def test_bending_turns_the_far_end_by_the_whole_angle_and_rests_the_other(degrees):
    text = f"bend degrees={degrees} along=0"
    np.testing.assert_allclose(field(text, BAR)[18:23, 5], 0, atol=1e-6)
    across = goal(text, 45, 18, BAR) - goal(text, 45, 22, BAR)  # upwards before
    angle = np.radians(degrees)
    np.testing.assert_allclose(across, 4 * np.array([-np.sin(angle), -np.cos(angle)]), atol=1e-5)


def test_a_positive_bend_is_counter_clockwise_on_the_screen():
    assert field("bend degrees=30 along=0", BAR)[20, 45, 1] < -5  # the right end goes up
    upright = block(rows=(2, 38), columns=(20, 25))
    assert field("bend degrees=30 along=90", upright)[2, 22, 0] < -5  # the upper goes left


def test_a_bend_by_nothing_is_rest():
    np.testing.assert_array_equal(field("bend degrees=0 along=30", BAR), np.zeros((H, W, 2)))


@pytest.mark.parametrize("text", ["grow factor=2 along=90", "bend degrees=20 along=90"])
def test_an_object_without_length_is_refused(text):
    with pytest.raises(ValueError, match=r"motion '\w+': has one pixel along its axis; expected"):
        field(text, ROD)


def test_a_bend_whose_inner_side_runs_into_itself_is_refused():
    with pytest.raises(ValueError, match=r"motion 'bend': bends 350 degrees.*expected fewer"):
        field("bend degrees=350 along=90", block(rows=(10, 14)))
