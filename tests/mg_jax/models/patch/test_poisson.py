"""Tones: none where copies fit, and they undo what does not."""

import numpy as np

from mg_jax.models.patch import poisson

H, W = 12, 30
Y, X = np.mgrid[:H, :W]
HOLE = (Y >= 3) & (Y < 9) & (X >= 4) & (X < 10)
CELLS = np.argwhere(HOLE)


def offsets(*steps):
    """Columns of the hole take the steps in turn."""
    field = np.zeros((H, W, 2), int)
    field[..., 1] = np.where(HOLE, np.array(steps)[X % len(steps)], 0)
    return field


def tones(picture, offset):
    return poisson.tones(np.repeat(picture[..., None], 3, -1), ~HOLE, CELLS, offset)


def test_copies_of_a_periodic_picture_need_no_tone():
    picture = np.sin(2 * np.pi * X / 8) + 0.1 * Y
    np.testing.assert_allclose(tones(picture, offsets(8, 16)), 0, atol=1e-9)


def test_a_slope_goes_on_whatever_level_is_copied():
    picture = 0.05 * X + 0.02 * Y
    offset = offsets(8, 14, 9)
    found = picture[Y, X + offset[..., 1]][HOLE] + tones(picture, offset)[:, 0]
    # The 1e-6 that keeps free cells in place is all that is missing.
    np.testing.assert_allclose(found, picture[HOLE], atol=1e-4)


def test_what_is_in_the_hole_does_not_matter():
    picture = np.random.default_rng(0).uniform(-1, 1, (H, W))
    other = np.where(HOLE, 5.0, picture)
    np.testing.assert_array_equal(tones(picture, offsets(8, 16)), tones(other, offsets(8, 16)))


def test_a_hole_that_touches_nothing_known_stays_as_copied():
    picture = np.random.default_rng(0).uniform(-1, 1, (H, W, 3))
    known = X > 15
    island = np.argwhere((Y == 5) & (X == 5))
    offset = np.zeros((H, W, 2), int)
    offset[..., 1] = 12
    np.testing.assert_allclose(poisson.tones(picture, known, island, offset), 0, atol=1e-9)
