"""Surprises are found where they are, at any size, and nowhere else."""

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from flows import motions
from mg_jax import images, surprises

DATA = Path(__file__).parents[2] / "experiments" / "data"


def box(shape, top, left, height, width):
    mask = np.zeros(shape, bool)
    mask[top : top + height, left : left + width] = True
    return mask


def small(image, *objects):
    """Objects are pairs of words and a mask."""
    parsed = [(motions.parse(words), mask) for words, mask in objects]
    return surprises.reduced(image, motions.together(parsed), motions.order(parsed))


def ball(shadow, scale=1, texture=4.0):
    """A ball on a ground with grain, and its soft shadow to the right below."""
    height, width = 160 * scale, 240 * scale
    y, x = np.mgrid[:height, :width] / scale
    grain = np.random.default_rng(0).normal(0, texture, (height, width, 1))
    ground = np.array([150.0, 130, 100]) + grain
    away = np.hypot((y - 105) / 12, (x - 100) / 32)
    soft = ndimage.gaussian_filter((away < 1).astype(float), 2 * scale)[..., None]
    mask = np.hypot(y - 80, x - 80) < 26
    picture = np.where(mask[..., None], (200, 40, 30), ground * (1 - shadow * soft))
    return np.clip(picture, 0, 255).astype(np.uint8), mask


@pytest.mark.parametrize("scale", [1, 3])
@pytest.mark.parametrize("texture", [0.0, 6.0])
def test_a_shadow_that_stays_is_found_and_none_where_there_is_none(scale, texture):
    for shadow, found in ((0.5, True), (0.35, True), (0.0, False)):
        picture, mask = ball(shadow, scale, texture)
        asked = small(picture, ("translate dx=60", mask))
        assert (surprises.shadow(asked) > 0.08) == found


def test_a_shadow_in_the_mask_goes_along():
    picture, mask = ball(0.5)
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]]
    mask |= np.hypot((y - 105) / 16, (x - 100) / 36) < 1.1
    assert surprises.shadow(small(picture, ("translate dx=60", mask))) < 0.08


def test_something_dark_of_another_colour_is_no_shadow():
    picture, mask = ball(0.0)
    picture[95:115, 100:140] = (20, 60, 110)
    assert surprises.shadow(small(picture, ("translate dx=60", mask))) < 0.08


def test_the_dark_has_no_shadow():
    picture = np.full((128, 160, 3), 9, np.uint8)
    assert (
        surprises.shadow(small(picture, ("translate dx=9", box((128, 160), 40, 40, 30, 30)))) == 0
    )


def test_noise_has_no_shadow():
    picture = np.random.default_rng(0).integers(0, 256, (128, 160, 3), dtype=np.uint8)
    assert (
        surprises.shadow(small(picture, ("translate dx=9", box((128, 160), 40, 40, 30, 30)))) == 0
    )


def test_what_hides_another_object_is_found_by_its_share():
    shape = (160, 240)
    picture = np.zeros((*shape, 3), np.uint8)
    left, right = box(shape, 60, 20, 40, 40), box(shape, 60, 180, 40, 40)
    for dx, share in ((-60, 0.0), (-80, 0.5), (-100, 1.0)):
        asked = small(picture, ("translate dx=60", left), (f"translate dx={dx}", right))
        assert surprises.hidden(asked) == pytest.approx(share, abs=0.05)


@pytest.mark.parametrize("scale", [1, 4])
def test_an_object_mostly_beyond_the_frame_is_found_beside_one_that_stays(scale):
    shape = (160 * scale, 240 * scale)
    picture = np.zeros((*shape, 3), np.uint8)
    big = box(shape, 20 * scale, 20 * scale, 100 * scale, 60 * scale)
    little = box(shape, 60 * scale, 180 * scale, 30 * scale, 30 * scale)
    leaves = (f"translate dx={50 * scale}", little)
    asked = small(picture, (f"translate dx={5 * scale}", big), leaves)
    assert surprises.gone(asked) == pytest.approx(2 / 3, abs=0.05)
    assert surprises.gone(small(picture, (f"translate dx={5 * scale}", big))) == 0


def test_what_the_frame_cuts_off_is_found_where_it_moves_away_from_the_edge():
    shape = (160, 240)
    picture = np.zeros((*shape, 3), np.uint8)
    for mask, words, edges in (
        (box(shape, 60, 0, 40, 40), "translate dx=30", ["left"]),
        (box(shape, 60, 0, 40, 40), "translate dx=-10", []),
        (box(shape, 60, 0, 40, 40), "translate dy=30", []),
        (box(shape, 60, 2, 40, 40), "translate dx=30", []),
        (box(shape, 130, 200, 30, 40), "translate dx=-30 dy=-40", ["right", "lower"]),
        (box(shape, 0, 100, 30, 40), "translate dy=20", ["upper"]),
        (box(shape, 0, 0, 160, 240), "translate dx=20 dy=9", []),
    ):
        assert surprises.cut_off(small(picture, (words, mask))) == edges


@pytest.mark.parametrize("name", ["chelsea.png", "rocket.jpg"])
def test_shipped_photos_hold_none_of_these(name):
    photo = images.read(DATA / name)
    mask = images.read_mask(DATA / f"{Path(name).stem}_mask.png")
    asked = small(photo, ("translate dx=4 dy=-20", mask))
    assert surprises.hidden(asked) == surprises.gone(asked) == 0
    assert surprises.shadow(asked) < 0.08
