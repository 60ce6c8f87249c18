"""The mesh: it covers the selection, and follows `motions.field` in milliseconds."""

import time

import numpy as np
import pytest

from flows import motions
from mg_jax.interactive import mesh

H, W = 160, 240
EVERY_WORD = [
    "translate dx=12.5 dy=-3",
    "rotate degrees=20",
    "rotate degrees=20 cx=30 cy=40",
    "scale factor=1.3",
    "stretch x=1.2 y=.8 degrees=30",
    "grow factor=1.7 along=90",
    "bend degrees=50 along=90",
    "homography from=60,40/180,40/180,130/60,130 to=50,30/170,50/190,140/40,120",
    "drag from=100,60 to=110,70",
    "drag from=100,60/140,90 to=110,70/150,80",
    "drag from=80,60/140,60/110,110 to=80,60/150,70/115,120",
    "grow factor=1.5 along=0; rotate degrees=15; translate dx=20; scale factor=.8",
    "bend degrees=30 along=90; rotate degrees=-40; bend degrees=20 along=0; scale factor=1.1",
]


def blob(height=H, width=W):
    """A lopsided object with a hole and a thin arm."""
    y, x = np.mgrid[:height, :width] / np.array([height, width]).reshape(2, 1, 1)
    egg = ((x - 0.5) / 0.22) ** 2 + ((y - 0.5) / (0.3 + 0.1 * (x > 0.5))) ** 2 < 1
    hole = np.hypot((x - 0.45) * 1.5, y - 0.45) < 0.05
    return (egg & ~hole) | ((abs(y - 0.3) < 0.01) & (x > 0.5) & (x < 0.8))


@pytest.mark.parametrize("words", EVERY_WORD)
def test_points_go_where_the_field_says(words):
    mask = blob()
    motion = motions.parse(words)
    built = mesh.build(mask)
    field = motions.field(motion, mask).astype(np.float64)
    x, y = built.points.astype(int).T
    np.testing.assert_array_equal(built.points, np.stack([x, y], axis=-1))
    assert np.abs(built.moved(motion.steps) - built.points - field[y, x]).max() < 0.01


def test_the_centre_is_that_of_all_pixels():
    mask = blob()
    for words in EVERY_WORD:
        motion = motions.parse(words)
        y, x = np.nonzero(mask)
        field = motions.field(motion, mask).astype(np.float64)
        ends = np.stack([x, y], axis=-1) + field[mask]
        centre = mesh.build(mask).centre(motion.steps)
        np.testing.assert_allclose(centre, ends.mean(axis=0), atol=1e-3)


def test_there_are_about_as_many_points_as_said_and_the_outline():
    built = mesh.build(blob(1024, 1536))
    outline = sum(built.outlines)
    assert 1200 < len(built.points) - outline < 2000
    assert len(built.outlines) == 2  # its border and its hole
    assert outline < 1500


def test_the_triangles_cover_the_selection():
    mask = blob()
    built = mesh.build(mask)
    corners = built.points[built.triangles]
    covered = np.zeros(mask.shape, np.uint8)
    import cv2

    for corner in corners.astype(np.int32):
        cv2.fillConvexPoly(covered, corner, 1)
    assert (covered[mask] > 0).mean() > 0.99


@pytest.mark.parametrize("words", EVERY_WORD[:-2])
def test_a_large_photo_takes_milliseconds(words):
    scale = 1024 / H
    built = mesh.build(blob(1024, 1536))
    motion = motions.parse(words)
    far = [step for step in motion.steps if "from_" in step.parameters]
    if far:  # its points are said in pixels
        step = far[0]._replace(parameters={k: v * scale for k, v in far[0].parameters.items()})
        motion = motions.MotionSpec((step,))
    built.moved(motion.steps)
    took = []
    for _ in range(7):
        start = time.thread_time()
        built.moved(motion.steps)
        took.append(time.thread_time() - start)
    assert min(took) <= 5e-3


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2)])
def test_the_smallest_selections_have_a_mesh(shape):
    mask = np.zeros((20, 20), bool)
    mask[3 : 3 + shape[0], 4 : 4 + shape[1]] = True
    built = mesh.build(mask)
    assert len(built.points)
    moved = built.moved(motions.parse("translate dx=2").steps)
    np.testing.assert_allclose(moved - built.points, [[2, 0]] * len(built.points), atol=1e-9)


def test_a_motion_that_does_not_suit_is_refused_as_by_the_field():
    mask = blob()
    for words in (
        "bend degrees=300 along=0",
        "homography from=100,60/120,60/120,80/100,80 to=100,60/120,60/140,70/100,80",
    ):
        motion = motions.parse(words)
        with pytest.raises(ValueError) as by_field:  # noqa: PT011 - compared below
            motions.field(motion, mask)
        with pytest.raises(ValueError, match=r"^motion") as by_mesh:
            mesh.build(mask).moved(motion.steps)
        assert str(by_mesh.value) == str(by_field.value)
