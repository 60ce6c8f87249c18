"""Copying: a field of matches moves whole pixels, and touches nothing outside the region."""

import numpy as np
import pytest

from mg_jax.models.patch.copying import copy

RNG = np.random.default_rng(0)
SIZES = [(24, 32, 6, 8), (31, 45, 6, 8), (50, 21, 12, 8), (8, 8, 8, 8), (5, 6, 10, 12)]


def photo(height, width):
    return RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)


def field(rows, columns, offset=(0, 0), view=0):
    place = np.moveaxis(np.indices((rows, columns)), 0, -1) + np.array(offset)
    return np.insert(place, 0, view, axis=-1)


@pytest.mark.parametrize(("height", "width", "rows", "columns"), SIZES)
def test_own_matches_copy_the_photo(height, width, rows, columns):
    source = photo(height, width)
    everywhere = np.ones((height, width), bool)
    out = copy(source, [source], everywhere, field(rows, columns))
    np.testing.assert_array_equal(out, source)


@pytest.mark.parametrize(("height", "width", "rows", "columns"), SIZES)
def test_one_offset_copies_the_shifted_picture(height, width, rows, columns):
    source, other = photo(height, width), photo(height, width)
    region = RNG.random((height, width)) < 0.7
    out = copy(source, [source, other], region, field(rows, columns, (1, -2), view=1))
    down, right = round(1 * height / rows), round(2 * width / columns)
    y = np.clip(np.arange(height) + down, 0, height - 1)
    x = np.clip(np.arange(width) - right, 0, width - 1)
    expected = np.where(region[..., None], other[y[:, None], x], source)
    np.testing.assert_array_equal(out, expected)


def test_between_two_cells_their_copies_are_mixed_by_nearness():
    black, white = np.zeros((4, 16, 3), np.uint8), np.full((4, 16, 3), 255, np.uint8)
    matches = field(1, 2)
    matches[0, 1, 0] = 1  # cell centres at x = 3.5 and 11.5
    out = copy(black, [black, white], np.ones((4, 16), bool), matches)
    share = np.clip((np.arange(16) - 3.5) / 8, 0, 1)
    np.testing.assert_array_equal(out, np.rint(255 * share)[None, :, None] * np.ones((4, 1, 3)))


def test_a_tight_region_shows_nothing_of_what_was_there():
    """Cells outside the region copy the photo: at its rim, that is the object which has left."""
    inside = np.zeros((64, 64), bool)
    inside[18:43, 21:50] = True
    object_there = np.where(inside[..., None], np.uint8(255), np.uint8(0)) * np.ones(3, np.uint8)
    asked = inside.reshape(16, 4, 16, 4).any(axis=(1, 3))
    matches = np.where(asked[..., None], field(16, 16, view=1), field(16, 16))
    out = copy(object_there, [object_there, np.zeros_like(object_there)], inside, matches)
    assert not out.any()


def test_the_photo_given_is_not_written_to():
    source = photo(8, 8)
    before = source.copy()
    copy(source, [np.zeros_like(source)], np.ones((8, 8), bool), field(4, 4))
    np.testing.assert_array_equal(source, before)


def test_an_empty_region_is_the_photo():
    source = photo(9, 7)
    out = copy(source, [255 - source], np.zeros((9, 7), bool), field(3, 3))
    np.testing.assert_array_equal(out, source)
