"""Tiles: every cell once, and every patch that is near enough to home."""

import numpy as np
import pytest

from mg_jax.models.patch import tiling

H, W = 20, 37
RNG = np.random.default_rng(0)
HOMES = RNG.uniform([0, 0], [H, W], (900, 2))
REGIONS = {
    "all": np.ones((H, W), bool),
    "some": RNG.uniform(size=(H, W)) < 0.3,
    "one cell": np.indices((H, W)).sum(axis=0) == H + W - 2,
}


@pytest.mark.parametrize("name", REGIONS)
def test_every_cell_of_the_region_is_in_one_tile(name):
    parts = tiling.tiles(REGIONS[name])
    cells = np.concatenate(parts)
    order = np.lexsort(cells.T[::-1])
    np.testing.assert_array_equal(cells[order], np.argwhere(REGIONS[name]))
    count, size = tiling.slots((H, W))
    assert 0 < len(parts) <= count
    for part in parts:
        assert 0 < len(part) <= size
        assert len(np.unique(part // 8, axis=0)) == 1


@pytest.mark.parametrize("reach", [0.0, 3.0, 100.0])
def test_all_that_is_near_is_a_candidate_of_every_cell(reach):
    parts = tiling.tiles(REGIONS["some"])
    for part, found in zip(parts, tiling.candidates(parts, HOMES, reach), strict=True):
        assert len(np.unique(found)) == len(found)
        for cell in part:
            near = np.nonzero(np.abs(HOMES - cell).max(axis=1) <= reach)[0]
            assert np.isin(near, found).all()


def test_what_is_far_is_not_unless_nothing_else_is_there():
    parts = tiling.tiles(REGIONS["one cell"])
    (found,) = tiling.candidates(parts, HOMES, 2.0)
    assert 64 <= len(found) < 300
    far = HOMES + np.array([0, 1000])
    (found,) = tiling.candidates(parts, far, 2.0)
    assert len(found) == 64
    nearest = np.argsort(np.linalg.norm(far - parts[0][0], axis=1))[:20]
    assert np.isin(nearest, found).all()


@pytest.mark.parametrize("count", [1, 7, 200])
def test_the_closest_are_nearer_than_all_others(count):
    parts = tiling.tiles(REGIONS["some"])
    for part, found in zip(parts, tiling.closest(parts, HOMES, count), strict=True):
        assert len(np.unique(found)) == count
        middle = part[0] // 8 * 8 + 3.5
        off = np.linalg.norm(HOMES - middle, axis=1)
        assert off[found].max() <= np.delete(off, found).min()


def test_where_there_are_fewer_than_asked_for_all_are_close():
    parts = tiling.tiles(REGIONS["some"])
    for count in (5, 6):
        for found in tiling.closest(parts, HOMES[:5], count):
            np.testing.assert_array_equal(np.sort(found), np.arange(5))


def test_without_patches_there_are_no_candidates():
    parts = tiling.tiles(REGIONS["some"])
    found = tiling.candidates(parts, HOMES[:0], 5.0)
    assert [len(one) for one in found] == [0] * len(parts)


def test_fewer_patches_will_do():
    parts = tiling.tiles(REGIONS["some"])
    for found in tiling.candidates(parts, HOMES[:5], 1.0):
        np.testing.assert_array_equal(found, np.arange(5))


def test_rooms_are_few_and_large_enough():
    rooms = [tiling.bucket([count, 1]) for count in range(1, 9000)]
    for count, room in enumerate(rooms, start=1):
        assert count <= room < max(count + 512, 1.5 * count)
    assert len(set(rooms)) < 20
