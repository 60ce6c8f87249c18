"""The library: compression that loses nothing where it need not, and padding that never wins."""

import numpy as np
import pytest

from mg_jax.models.patch import patch_library

RNG = np.random.default_rng(0)
PICTURES = [RNG.uniform(-1, 1, (14, 16, 3)).astype(np.float32) for _ in range(2)]
CHOSEN = [RNG.random((14, 16)) < 0.5, RNG.random((14, 16)) < 0.2]
COUNT = int(sum(c.sum() for c in CHOSEN))
RADII = [1, 2, 4]
COMPONENTS = 80  # 75 numbers at radius 2, 243 at radius 4
CAPACITY = COUNT + 7
BUILT = patch_library.build(PICTURES, CHOSEN, RADII, COMPONENTS, CAPACITY, np.random.default_rng(1))


def patches(radius):
    """[k, side, side, 3], by the definition."""
    out = []
    for picture, chosen in zip(PICTURES, CHOSEN, strict=True):
        padded = np.pad(picture, ((radius, radius), (radius, radius), (0, 0)), mode="reflect")
        side = 2 * radius + 1
        out += [padded[i : i + side, j : j + side] for i, j in np.argwhere(chosen)]
    return np.stack(out)


def distances(rows):
    rows = rows.reshape(len(rows), -1).astype(np.float64)
    return np.square(rows[:, None] - rows[None]).sum(axis=-1)


@pytest.mark.parametrize("radius", [1, 2])
def test_small_patches_lose_nothing(radius):
    keys = BUILT.keys[RADII.index(radius), :COUNT]
    np.testing.assert_allclose(distances(keys), distances(patches(radius)), rtol=1e-4, atol=1e-3)


def test_large_patches_keep_what_the_best_components_keep():
    rows = patches(4).reshape(COUNT, -1).astype(np.float64)
    variances = np.square(np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False))
    kept = np.square(BUILT.keys[2, :COUNT].astype(np.float64)).sum()
    assert 0.97 * variances[:COMPONENTS].sum() <= kept <= 1.0001 * variances[:COMPONENTS].sum()


@pytest.mark.parametrize("radius", RADII)
def test_filters_are_zero_outside_their_radius_and_orthonormal_inside(radius):
    filters = BUILT.filters[RADII.index(radius)]
    ring = np.ones(filters.shape[:2], bool)
    ring[4 - radius : 5 + radius, 4 - radius : 5 + radius] = False
    assert not filters[ring].any()
    flat = filters.reshape(-1, COMPONENTS)
    used = np.arange(COMPONENTS) < 3 * (2 * radius + 1) ** 2
    np.testing.assert_allclose(flat.T @ flat, np.diag(used.astype(float)), atol=1e-5)


@pytest.mark.parametrize("radius", RADII)
def test_keys_are_the_filters_of_patches_about_the_mean(radius):
    i = RADII.index(radius)
    answers = np.einsum("kyxc,yxcd->kd", patches(4), BUILT.filters[i])
    np.testing.assert_allclose(BUILT.keys[i, :COUNT], answers - BUILT.response[i], atol=1e-4)
    np.testing.assert_allclose(answers.mean(axis=0), BUILT.response[i], atol=1e-4)


def test_values_are_the_centres_and_half_norms_the_keys():
    np.testing.assert_array_equal(BUILT.values[:COUNT], patches(1)[:, 1, 1])
    half = 0.5 * np.square(BUILT.keys[:, :COUNT]).sum(axis=-1)
    np.testing.assert_allclose(BUILT.half_norms[:, :COUNT], half, rtol=1e-5)


def test_padding_is_farther_than_any_patch():
    assert BUILT.keys.shape[1] == len(BUILT.values) == CAPACITY
    assert not BUILT.keys[:, COUNT:].any()
    # The best that a query could score on a real patch is its square norm; none comes near.
    assert BUILT.half_norms[:, COUNT:].min() > 1e4 * BUILT.half_norms[:, :COUNT].max()


@pytest.mark.parametrize("capacity", [COUNT - 1, 0])
def test_too_small_a_capacity_is_refused(capacity):
    with pytest.raises(ValueError, match=f"{COUNT} patches chosen; expected 1 to {capacity}"):
        patch_library.build(PICTURES, CHOSEN, [1], 8, capacity, np.random.default_rng(0))


def test_no_patch_at_all_is_refused():
    nowhere = [np.zeros_like(c) for c in CHOSEN]
    with pytest.raises(ValueError, match="0 patches chosen"):
        patch_library.build(PICTURES, nowhere, [1], 8, 10, np.random.default_rng(0))


@pytest.mark.parametrize("radius", [1, 4])
def test_a_picture_of_one_colour_has_one_patch(radius):
    flat = np.full((14, 16, 3), 0.25, np.float32)
    built = patch_library.build(
        [flat], [CHOSEN[0]], [radius], COMPONENTS, CAPACITY, np.random.default_rng(0)
    )
    assert all(np.isfinite(field).all() for field in built)
    count = CHOSEN[0].sum()
    np.testing.assert_allclose(built.keys[:, :count], 0, atol=1e-4)
    np.testing.assert_allclose(built.half_norms[:, :count], 0, atol=1e-4)


def test_fewer_patches_than_components_are_all_kept_apart():
    few = np.zeros((14, 16), bool)
    few[3, 2:12] = True
    built = patch_library.build([PICTURES[0]], [few], [4], COMPONENTS, 10, np.random.default_rng(0))
    padded = np.pad(PICTURES[0], ((4, 4), (4, 4), (0, 0)), mode="reflect")
    rows = np.stack([padded[i : i + 9, j : j + 9] for i, j in np.argwhere(few)])
    np.testing.assert_allclose(distances(built.keys[0]), distances(rows), rtol=1e-3, atol=1e-3)
