"""Motions told by points arrive at these points."""

import numpy as np
import pytest

from flows import motions

from .drawing import H, W, block, field

ALL = np.ones((H, W), bool)
FROM = np.array([[4, 3], [40, 5], [45, 36], [6, 33]])
TO = np.array([[9, 8.5], [35, 2], [44, 30], [2, 37]])


def spelled(points):
    return "/".join(f"{x},{y}" for x, y in points)


def words(name, start, end):
    return f"{name} from={spelled(start)} to={spelled(end)}"


def arrivals(text, points):
    flow = field(text, ALL)
    return np.array([[x, y] + flow[y, x] for x, y in points])


@pytest.mark.parametrize("shift", [0, 100_000])
def test_a_homography_maps_its_four_corners(shift):
    found = arrivals(words("homography", FROM, TO + shift), FROM)
    np.testing.assert_allclose(found, TO + shift, rtol=1e-6)


def test_a_homography_keeps_lines_straight():
    flow = field(words("homography", FROM, TO), ALL)
    line = np.array([[x, x // 2 + 3] + flow[x // 2 + 3, x] for x in range(0, 50, 2)])
    assert np.linalg.svd(line - line.mean(0), compute_uv=False)[-1] < 1e-4


def test_a_homography_and_its_opposite_are_rest():
    there_and_back = words("homography", FROM, TO) + "; " + words("homography", TO, FROM)
    np.testing.assert_allclose(field(there_and_back, ALL), np.zeros((H, W, 2)), atol=1e-4)


def test_a_homography_of_a_parallelogram_is_linear():
    square = [[10, 10], [20, 10], [20, 20], [10, 20]]
    turned = [[10, 20], [10, 10], [20, 10], [20, 20]]  # each corner counter-clockwise
    np.testing.assert_allclose(
        field(words("homography", square, turned), ALL),
        field("rotate degrees=90 cx=15 cy=15", ALL),
        atol=1e-4,
    )


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_drag_maps_its_points(count):
    found = arrivals(words("drag", FROM[:count], TO[:count]), FROM[:count])
    np.testing.assert_allclose(found, TO[:count], atol=1e-4)


def test_a_drag_of_one_point_is_a_translation():
    np.testing.assert_array_equal(
        field("drag from=10,10 to=13,8.5"), field("translate dx=3 dy=-1.5")
    )


def test_a_drag_of_two_points_turns_and_scales():
    text = "drag from=10,10/20,10 to=10,10/10,-10"
    expected = "rotate degrees=90 cx=10 cy=10; scale factor=2 cx=10 cy=10"
    np.testing.assert_allclose(field(text), field(expected), atol=1e-4)


@pytest.mark.parametrize(
    "motion", ["translate dx=5", "rotate degrees=30 cx=3 cy=4", "stretch x=2 cx=1 cy=1 degrees=20"]
)
def test_a_drag_as_of_a_linear_motion_is_that_motion(motion):
    linear = field(motion, ALL)
    goals = FROM + np.array([linear[y, x] for x, y in FROM])
    np.testing.assert_allclose(field(words("drag", FROM, goals), ALL), linear, atol=1e-4)


def test_pinned_points_stay_while_one_is_dragged():
    pins = np.concatenate([FROM, [[25, 20]]])
    goals = pins + np.array([[0, 0]] * 4 + [[6, -2]])
    found = arrivals(words("drag", pins, goals), pins)
    np.testing.assert_allclose(found, goals, atol=1e-4)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("homography from=0,0/9,0/9,9 to=0,0/9,0/9,9", "from= has 3 points; expected 4 corners"),
        ("homography from=0,0/9,0/9,9/0,9 to=0,0/9,0/9,9", "from= has 4 points, to= 3; expected"),
        ("homography from=0,0/9,0/9,9/9,9 to=0,0/9,0/9,9/0,9", "from= has a point twice"),
        ("homography from=0,0/4,0/9,0/0,9 to=0,0/9,0/9,9/0,9", "from= has three corners on a line"),
        ("homography from=0,0/9,0/9,9/0,9 to=0,0/4,4/9,9/0,9", "to= has three corners on a line"),
        ("homography from=0,0/9,0/9,9/0,9 to=0,0/9,9/9,0/0,9", "corners in the same order"),
        ("drag from=1,1/2,2 to=1,1", "from= has 2 points, to= 1; expected as many"),
        ("drag from=1,1/1,1 to=1,1/2,2", "from= has a point twice"),
        ("drag from=1,1/2,2 to=5,5/5,5", "to= has a point twice"),
        ("drag from=0,0/10,10/20,20 to=0,0/10,12/20,20", "from= has all points on a line"),
    ],
)
def test_points_that_tell_no_motion_are_refused(text, complaint):
    with pytest.raises(ValueError, match="expected") as caught:
        motions.parse(text)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_horizon_that_crosses_the_object_is_refused():
    # The side at x = 10 is 10 high, that at x = 26 is 2: they close at the horizon, x = 30.
    text = "homography from=10,10/26,14/26,16/10,20 to=10,10/26,10/26,20/10,20"
    assert np.isfinite(field(text, block(columns=(10, 29)))).all()
    for columns in ((10, 31), (10, 46), (35, 46)):
        with pytest.raises(ValueError, match="motion 'homography': its horizon crosses the object"):
            field(text, block(columns=columns))
