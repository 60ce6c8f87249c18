"""Displacements of bodies are smooth, one-to-one, and rigid where they should be."""

import numpy as np
import pytest

from experiments.hard_cases.fields import Hinge, Relief

HINGES = [
    Hinge(60, 50, axis, band=24, reach=10, degrees=degrees, aside=aside)
    for axis in (0, 90, 205)
    for degrees, aside in ((30, 0), (-20, 0), (0, 10))
]
RELIEFS = [Relief(60, 50, 40, 30, 0.8, yaw, pitch, 4, -3) for yaw, pitch in ((26, 8), (-14, -5))]


def grid(step=1.0):
    y, x = np.mgrid[20:80:step, 20:100:step]
    return np.stack([x, y], axis=-1)


def displaced(field, points):
    return points + field(points.reshape(-1, 2)).reshape(points.shape)


def inside(field, points):
    if isinstance(field, Hinge):
        return (
            np.abs(field.split(points.reshape(-1, 2))[1]).reshape(points.shape[:2])
            < 0.9 * field.reach
        )
    away = np.abs(points - (field.x, field.y)) / (field.wide, field.high)
    return (away < 1).all(axis=-1)


@pytest.mark.parametrize("field", HINGES + RELIEFS)
def test_bodies_do_not_fold_and_have_no_creases(field):
    points = grid(0.5)
    moved = displaced(field, points)
    along_y, along_x = np.gradient(moved, 0.5, axis=(0, 1))
    area = along_x[..., 0] * along_y[..., 1] - along_x[..., 1] * along_y[..., 0]
    body = inside(field, points)
    assert area[body].min() > 0.1
    bent = np.abs(np.diff(along_x, axis=1)).max(axis=-1)[:, :-1]
    assert bent[body[:, 1:-1]].max() < 0.1  # in half a pixel: slopes change little by little


@pytest.mark.parametrize("hinge", HINGES)
def test_a_hinge_rests_on_one_side_and_is_rigid_on_the_other(hinge):
    points = grid().reshape(-1, 2)
    points = points[inside(hinge, points[:, None])[:, 0]]
    moved = points + hinge(points)
    position, _ = hinge.split(points)
    assert np.abs(moved - points)[position <= 0].max(initial=0) < 1e-9
    end = hinge.moves_whole(points)
    assert (end == (position >= hinge.band)).all()
    before, after = points[end] - points[end][0], moved[end] - moved[end][0]
    turned = np.linalg.norm(before, axis=-1), np.linalg.norm(after, axis=-1)
    np.testing.assert_allclose(*turned, atol=1e-9)


def test_a_hinge_turns_counter_clockwise_and_moves_to_the_left():
    tip = np.array([[90.0, 40.0]])
    assert Hinge(50, 40, 0, 30, 12, degrees=30, aside=0)(tip)[0, 1] < -5  # up on the screen
    np.testing.assert_allclose(Hinge(50, 40, 0, 30, 12, 0, aside=7)(tip)[0], (0, -7), atol=1e-9)


@pytest.mark.parametrize("hinge", HINGES)
def test_splitting_and_joining_are_each_others_inverse(hinge):
    points = grid().reshape(-1, 2)
    np.testing.assert_allclose(hinge.at(*hinge.split(points)), points, atol=1e-9)


def test_a_relief_compresses_the_side_it_turns_to():
    moved = displaced(Relief(60, 50, 40, 30, 0.8, 20, 0, 0, 0), grid())[30]
    widths = np.diff(moved[:, 0])
    assert widths[-5] < 0.6  # near the right side
    assert widths[5] > 1.2
