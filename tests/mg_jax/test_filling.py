"""Holes filled from their rim."""

import numpy as np

from mg_jax.filling import fill

H, W = 48, 64
HOLE = np.zeros((H, W), bool)
HOLE[12:30, 10:26] = True


def test_holes_are_filled_from_their_rim_and_nothing_else_changes():
    object_beside = np.roll(HOLE, 20, axis=1)
    picture = np.where((HOLE | object_beside)[..., None], np.uint8(200), np.uint8(10))
    picture = picture * np.ones(3, np.uint8)
    filled = fill(picture, HOLE)
    np.testing.assert_array_equal(filled[~HOLE], picture[~HOLE])
    rim = HOLE & (np.arange(W) < 18)  # farther from the object than from its background
    np.testing.assert_allclose(filled[rim], 10, atol=4)  # it rounds as it goes on


def test_filling_no_hole_changes_nothing():
    photo = np.random.default_rng(0).integers(0, 256, (H, W, 3), dtype=np.uint8)
    np.testing.assert_array_equal(fill(photo, np.zeros((H, W), bool)), photo)
