"""Completion: a repeating picture is completed exactly, from known cells alone."""

import numpy as np
import pytest

from mg_jax.models.patch import completion

H, W = 48, 60
Y, X = np.mgrid[:H, :W]
HOLE = (np.abs(Y - 24) < 7) & (np.abs(X - 30) < 8)
TILE = np.random.default_rng(0).uniform(-1, 1, (12, 10, 3))
TILED = TILE[Y % 12, X % 10]
NOISE = np.random.default_rng(1).uniform(-1, 1, (H, W, 3))


def filled(picture, known, hole):
    offset, tone = completion.complete(picture, known, hole)
    from_y, from_x = Y + offset[..., 0], X + offset[..., 1]
    return picture[from_y, from_x] + tone, known[from_y, from_x]


def test_offsets_of_a_repeating_picture_are_its_periods():
    offsets = completion.dominant(TILED, ~HOLE, HOLE)
    assert len(offsets)
    assert not (offsets % [12, 10]).any()


def test_a_repeating_picture_is_completed_exactly():
    result, _ = filled(np.where(HOLE[..., None], 0.7, TILED), ~HOLE, HOLE)
    np.testing.assert_allclose(result, TILED, atol=1e-6)


def test_a_hole_wider_than_any_offset_is_filled_from_its_rim(monkeypatch):
    wide = (np.abs(Y - 24) < 15) & (np.abs(X - 30) < 18)
    short = np.array([[12, 0], [-12, 0], [0, 10], [0, -10]])
    monkeypatch.setattr(completion, "dominant", lambda *_: short)
    result, known = filled(np.where(wide[..., None], 0.7, TILED), ~wide, wide)
    assert known.all()
    np.testing.assert_allclose(result, TILED, atol=1e-6)


def test_a_slope_over_a_repeating_picture_goes_on():
    picture = 0.3 * TILED + 0.01 * X[..., None]
    result, _ = filled(picture, ~HOLE, HOLE)
    np.testing.assert_allclose(result[HOLE], picture[HOLE], atol=2e-3)


@pytest.mark.parametrize("picture", [TILED, NOISE])
def test_only_known_cells_are_copied_and_these_are_themselves(picture):
    result, known = filled(picture, ~HOLE, HOLE)
    assert known.all()
    np.testing.assert_array_equal(result[~HOLE], picture[~HOLE])


def test_what_is_neither_known_nor_of_the_hole_copies_its_neighbour():
    gone = HOLE | (X < 3)
    offset, tone = completion.complete(NOISE, ~gone, HOLE)
    np.testing.assert_array_equal(offset[:, 1, 1], 2)
    assert not tone[X < 3].any()


def test_what_is_in_the_hole_does_not_matter():
    one, other = (np.where(HOLE[..., None], value, NOISE) for value in (0.5, -1.0))
    first, second = (filled(picture, ~HOLE, HOLE)[0] for picture in (one, other))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_drawn_of_a_repeating_picture_is_the_same(seed):
    drawn = np.random.default_rng(seed)
    offset, tone = completion.complete(TILED, ~HOLE, HOLE, drawn)
    result = TILED[Y + offset[..., 0], X + offset[..., 1]] + tone
    np.testing.assert_allclose(result, TILED, atol=1e-6)


def test_where_it_is_open_draws_differ_and_equal_seeds_do_not():
    offsets = [
        completion.complete(0.1 * NOISE, ~HOLE, HOLE, drawn).offset[HOLE]
        for drawn in (None, *map(np.random.default_rng, (0, 1, 0)))
    ]
    np.testing.assert_array_equal(offsets[1], offsets[3])
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert (offsets[one] != offsets[other]).any(axis=-1).mean() > 0.05


def test_a_hole_is_filled_with_what_lies_beside_it():
    """Two textures that repeat alike meet in the hole's middle: each side goes on as it is."""
    left = X < 30
    picture = np.where(left[..., None], 0.3 * TILED - 0.6, 0.3 * TILED + 0.6)
    result, _ = filled(np.where(HOLE[..., None], 0.0, picture), ~HOLE, HOLE)
    for side in (HOLE & (X < 26), HOLE & (X > 34)):
        off = np.abs(result - picture)[side].max(axis=-1)
        assert (off < 0.1).mean() > 0.9


def test_nothing_to_fill_and_nothing_to_fill_with():
    nothing = np.zeros_like(HOLE)
    for known, hole in ((~nothing, nothing), (nothing, ~nothing)):
        offset, tone = completion.complete(NOISE, known, hole)
        assert not offset.any()
        assert not tone.any()
