"""Handles write words, and are where the words say."""

import numpy as np
import pytest

from flows import motions
from mg_jax.interactive import handles, mesh, pose

MASK = np.zeros((120, 160), bool)
MASK[40:81, 50:111] = True  # middle (80, 60)
MESH = mesh.build(MASK)
LAST = "rotate degrees=30; translate dx=10 dy=-5"


def at(words, mode="transform"):
    return {one.name: np.array([one.x, one.y]) for one in handles.handles(MESH, words, mode)}


def drag(words, name, by, mode="transform", **how):
    """The words after a handle has been dragged by so many pixels."""
    return handles.dragged(MESH, words, mode, name, at(words, mode)[name] + by, **how)


def test_an_object_is_moved_by_whole_pixels():
    assert drag("", "move", [40.2, -10]) == "translate dx=40 dy=-10"
    assert drag("translate dx=40 dy=-10", "move", [-40, 10]) == ""
    assert drag(LAST, "move", [5, 0]) == "rotate degrees=30; translate dx=15 dy=-5"
    assert drag("", "move", [40, -10], snap=True) == "translate dx=40 dy=0"


def test_corners_scale_and_sides_stretch_about_the_middle():
    assert drag("", "se", [30, 20]) == "scale factor=2"
    assert drag("", "e", [15, 7]) == "stretch x=1.5 y=1"
    assert drag("", "n", [3, 10]) == "stretch x=1 y=0.5"
    assert drag("scale factor=2", "nw", [15, 10]) == "scale factor=1.5"
    assert drag("scale factor=2", "nw", [30, 20]) == ""


def test_the_outer_handle_turns():
    top = at("")["rotate"]
    assert top[1] < 40
    left = np.array([80 - (60 - top[1]), 60])
    assert handles.dragged(MESH, "", "transform", "rotate", left) == "rotate degrees=90"
    turned = handles.dragged(MESH, "", "transform", "rotate", top - np.array([9, 0]), snap=True)
    assert turned == "rotate degrees=15"


def test_the_pivot_moves_and_the_object_does_not():
    words = "scale factor=1.2; rotate degrees=30; translate dx=10 dy=-5"
    after = drag(words, "pivot", [25, 12])
    assert "cx=" in after
    field = motions.field(motions.parse(words), MASK)
    np.testing.assert_allclose(motions.field(motions.parse(after), MASK), field, atol=0.2)
    np.testing.assert_allclose(at(after)["pivot"], at(words)["pivot"] + [25, 12], atol=0.2)


def test_a_pivot_is_kept_before_anything_turns():
    words = drag("", "pivot", [-30, -20])
    assert words == "rotate degrees=0 cx=50 cy=40"
    assert drag(words, "move", [3, 0]) == words + "; translate dx=3 dy=0"


@pytest.mark.parametrize(
    "words",
    [
        "",
        LAST,
        "stretch x=1.5 y=1; " + LAST,
        "grow factor=1.5 along=90; " + LAST,
        "homography from=50,40/110,40/110,80/50,80 to=45,45/110,40/110,80/50,80",
        "rotate degrees=20 cx=50 cy=40; translate dx=9 dy=4",
    ],
)
@pytest.mark.parametrize(
    "name", ["move", "nw", "ne", "se", "sw", "n", "e", "s", "w", "rotate", "pivot"]
)
def test_every_handle_goes_where_the_hand_is(words, name):
    """To where it is now at least, and along its own direction where it can."""
    middle = at(words)["pivot"]
    out = at(words)[name] - middle
    by = np.array([4.0, 3.0]) if name in ("move", "pivot") else 0.2 * out
    if name == "rotate":  # along its circle
        by = np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]]) @ out - out
    after = drag(words, name, by)
    if name in "nsew":  # a side goes along its own axis only
        axis = at(words)["e"] - at(words)["w"] if name in "ew" else at(words)["s"] - at(words)["n"]
        axis /= np.linalg.norm(axis)
        went = (at(after)[name] - at(words)[name]) @ axis
        assert abs(went - by @ axis) < 0.6
        return
    np.testing.assert_allclose(at(after)[name], at(words)[name] + by, atol=0.6)


def test_a_corner_alone_makes_a_homography():
    words = drag(LAST, "ne", [6, 3], "perspective")
    assert words.split("; ")[-1].startswith("homography")
    again = drag(words, "sw", [-4, 2], "perspective")
    assert again.count("homography") == 1
    for name, moved in (("ne", at(LAST)["ne"] + [6, 3]), ("sw", at(LAST)["sw"] + [-4, 2])):
        np.testing.assert_allclose(at(again)[name], moved, atol=0.2)
    assert drag(again, "move", [7, 0]) == again + "; translate dx=7 dy=0"


@pytest.mark.parametrize(("mode", "start"), [("grow", "grow factor="), ("bend", "bend degrees=")])
def test_ends_grow_and_bend_to_where_they_are_dragged(mode, start):
    tip = at("", mode)["tip"]
    np.testing.assert_allclose(tip, [80, 40], atol=0.1)
    goal = [80, 30] if mode == "grow" else np.array([80, 80]) + 39 * np.array([-0.2, -0.97])
    words = handles.dragged(MESH, "", mode, "tip", np.array(goal, float))
    assert words.startswith(start)
    assert words.endswith("along=90")
    reached = at(words, mode)["tip"] - [80, 80]
    asked = np.array(goal) - [80, 80]
    assert abs(np.cross([*reached, 0], [*asked, 0])[2]) < 1.5 * np.linalg.norm(asked)
    right = handles.dragged(MESH, words, mode, "axis", np.array([20.0, 60.0]))
    assert right.endswith("along=0")


def test_points_are_added_dragged_and_removed():
    def change(words, name, to):
        return handles.dragged(MESH, words, "points", name, np.array(to, float))

    words = change("", "add", [60, 50])
    assert words == "drag from=60,50 to=60,50"
    words = change(change(words, "add", [100, 50]), "add", [80, 75])
    moved = change(words, "point-2", [84, 90])
    assert moved == "drag from=60,50/100,50/80,75 to=60,50/100,50/84,90"
    np.testing.assert_allclose(at(moved, "points")["point-2"], [84, 90])
    assert change(moved, "remove-0", [0, 0]) == "drag from=100,50/80,75 to=100,50/84,90"
    assert change("drag from=60,50 to=60,50", "remove-0", [0, 0]) == ""


def test_a_handle_that_is_not_there_is_refused():
    for mode in handles.MODES:
        with pytest.raises(ValueError, match=r"^handle: 'nose'; expected"):
            handles.dragged(MESH, "", mode, "nose", np.array([0.0, 0.0]))


@pytest.mark.parametrize(
    "words",
    [
        "translate dx=1; rotate degrees=2",
        "rotate degrees=5 cx=3",
        "stretch x=2 degrees=20",
        "rotate degrees=5; rotate degrees=9 cx=1 cy=2; translate dx=4",
        "drag from=1,2 to=3,4; scale factor=2 cx=1 cy=1; rotate degrees=3",
    ],
)
def test_words_that_no_handle_would_write_keep_their_meaning(words):
    again = motions.parse(pose.split(words).words())
    np.testing.assert_array_equal(
        motions.field(again, MASK), motions.field(motions.parse(words), MASK)
    )
