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
    picture = np.repeat(picture[..., None], 3, -1)
    return poisson.tones(picture, ~HOLE, CELLS, offset, np.zeros((len(CELLS), 3)), 1e-6)


def test_copies_of_a_periodic_picture_need_no_tone():
    picture = np.sin(2 * np.pi * X / 8) + 0.1 * Y
    np.testing.assert_allclose(tones(picture, offsets(8, 16)), 0, atol=1e-9)


def test_a_slope_goes_on_whatever_level_is_copied():
    picture = 0.05 * X + 0.02 * Y
    offset = offsets(8, 14, 9)
    found = picture[Y, X + offset[..., 1]][HOLE] + tones(picture, offset)[:, 0]
    # The 1e-6 that keeps free cells in place is all that is missing.
    np.testing.assert_allclose(found, picture[HOLE], atol=1e-4)


def test_a_pull_holds_them_back_far_from_the_seams():
    picture = np.where(HOLE, 0.0, 0.05 * X).astype(float)
    rough = np.full((len(CELLS), 3), 0.5)
    picture = np.repeat(picture[..., None], 3, -1)
    held, free = (
        poisson.tones(picture, ~HOLE, CELLS, offsets(12), rough, pull) for pull in (10.0, 1e-6)
    )
    middle = (CELLS == (6, 7)).all(axis=1)
    np.testing.assert_allclose(held[middle], 0.5, atol=0.02)
    np.testing.assert_allclose(free, -0.6, atol=0.02)


def test_where_they_start_does_not_matter():
    picture = np.random.default_rng(0).uniform(-1, 1, (H, W, 3))
    start = np.random.default_rng(1).uniform(-1, 1, (len(CELLS), 3))
    one, other = (
        poisson.tones(picture, ~HOLE, CELLS, offsets(8, 16), first, 1e-6)
        for first in (start, 0 * start)
    )
    np.testing.assert_allclose(one, other, atol=2e-3)


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
    found = poisson.tones(picture, known, island, offset, np.zeros((1, 3)), 1e-6)
    np.testing.assert_allclose(found, 0, atol=1e-9)
