"""The forward warp."""

import numpy as np
import pytest

from flows import masks, motions
from flows.motion import Motion
from flows.warping import forward

H, W = 48, 64
RNG = np.random.default_rng(0)
PHOTO = RNG.integers(0, 256, (H, W, 3), dtype=np.uint8)
OBJECT = np.zeros((H, W), bool)
OBJECT[12:30, 10:26] = True


def moved(dx, dy):
    return np.where(OBJECT[..., None], np.float32([dx, dy]), 0).astype(np.float32)


def enlarged(factor, center=(20.0, 18.0)):
    y, x = np.mgrid[:H, :W].astype(np.float32)
    away = np.stack([x, y], axis=-1) - np.float32(center)
    return np.where(OBJECT[..., None], np.float32(factor - 1) * away, 0).astype(np.float32)


@pytest.mark.parametrize(("dx", "dy"), [(9, 0), (-4, 7), (30, -2)])
def test_a_whole_pixel_translation_is_the_known_answer_outside_the_holes(dx, dy):
    picture, holes = forward(PHOTO, Motion(moved(dx, dy)))
    landed = np.roll(OBJECT, (dy, dx), (0, 1))
    answer = np.where(landed[..., None], np.roll(PHOTO, (dy, dx), (0, 1)), PHOTO)
    np.testing.assert_array_equal(holes, OBJECT & ~landed)
    np.testing.assert_array_equal(picture[~holes], answer[~holes])
    np.testing.assert_array_equal(picture[holes], PHOTO[holes])  # the object, where it was


def test_nothing_moves_by_no_flow():
    picture, holes = forward(PHOTO, Motion(moved(0, 0)))
    np.testing.assert_array_equal(picture, PHOTO)
    assert not holes.any()


def test_what_leaves_the_picture_is_gone():
    picture, holes = forward(PHOTO, Motion(moved(200, 0)))
    np.testing.assert_array_equal(picture, PHOTO)
    np.testing.assert_array_equal(holes, OBJECT)


def test_the_background_has_no_share_in_the_object():
    photo = np.where(OBJECT[..., None], np.uint8(200), np.uint8(10)) * np.ones(3, np.uint8)
    picture, holes = forward(photo, Motion(moved(5.5, 0.25)))
    assert set(np.unique(picture[~holes])) == {10, 200}


@pytest.mark.parametrize("factor", [1.5, 2.0, 3.7])
def test_an_enlarged_object_has_no_cracks(factor):
    photo = np.where(OBJECT[..., None], np.uint8(200), np.uint8(10)) * np.ones(3, np.uint8)
    flow = enlarged(factor)
    picture, holes = forward(photo, Motion(flow))
    assert not holes.any()
    assert (picture[masks.destination(flow)] == 200).all()


def test_an_object_twice_as_large_is_interpolated():
    y, x = np.mgrid[:H, :W]
    photo = np.stack([4 * x, 4 * y, x + y], axis=-1).astype(np.uint8)  # linear: known between
    picture, _ = forward(photo, Motion(enlarged(2.0)))
    inside = masks.destination(enlarged(2.0))
    inside[17:20, 19:22] = False  # the centre rests: it is no moved content
    rows, columns = np.nonzero(inside)
    from_x, from_y = 20 + (columns - 20) / 2, 18 + (rows - 18) / 2
    expected = np.stack([4 * from_x, 4 * from_y, from_x + from_y], axis=-1)
    within = (from_x >= 10) & (from_x <= 25) & (from_y >= 12) & (from_y <= 29)
    assert within.mean() > 0.9
    np.testing.assert_allclose(picture[rows, columns][within], expected[within], atol=0.51)


def test_the_centre_of_a_turn_stays_what_it_is():
    photo = np.where(OBJECT[..., None], np.uint8([200, 200, 200]), np.uint8([10, 10, 10]))
    photo[20, 18] = 0, 255, 0
    field = motions.field(motions.parse("rotate degrees=90 cx=18 cy=20"), OBJECT)
    picture, holes = forward(photo, Motion(field))
    np.testing.assert_array_equal(picture[20, 18], photo[20, 18])
    assert not holes[20, 18]
