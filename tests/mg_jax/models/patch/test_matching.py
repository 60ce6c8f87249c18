"""Matching and voting: the photo is its own best match, and a coherent field copies it."""

import jax.numpy as jnp
import numpy as np
import pytest

from mg_jax.models.patch import library, matching
from mg_jax.models.patch.denoiser import PatchParams
from mg_jax.models.patch.posterior import Candidates

H, W, RADIUS = 14, 16, 2
RNG = np.random.default_rng(0)
PHOTO = RNG.uniform(-1, 1, (H, W, 3)).astype(np.float32)
HERE = np.moveaxis(np.indices((H, W)), 0, -1)
EVERYWHERE = jnp.ones((H, W), bool)
REGION = np.zeros((H, W), bool)
EVERYWHERE = jnp.ones((H, W), bool)
REGION[2:9, 4:16] = True
PADDING = 6
PLACES = jnp.asarray(
    np.pad(np.insert(HERE.reshape(-1, 2), 0, 0, axis=1), ((0, PADDING), (0, 0))), jnp.int32
)
RADIUS_AT = jnp.int32(0)


def weights(homes=None):
    """Patches of the whole photo; `homes` [k, 2] default to where each patch is."""
    count = H * W
    built = library.build(
        [PHOTO], [np.ones((H, W), bool)], [RADIUS], 80, count + PADDING, np.random.default_rng(0)
    )
    homes = HERE.reshape(-1, 2) if homes is None else homes
    pixels = np.argwhere(REGION)
    filling = ((0, PADDING), (0, 0))
    return PatchParams(
        filters=jnp.asarray(built.filters),
        response=jnp.asarray(built.response),
        keys=jnp.asarray(built.keys),
        values=jnp.asarray(built.values),
        half_norms=jnp.asarray(built.half_norms),
        rests=jnp.zeros(count + PADDING, bool),
        homes=jnp.asarray(np.pad(homes, filling), jnp.float32),
        radius=jnp.asarray([0], jnp.int32),
        source=jnp.asarray(PHOTO),
        pixels=jnp.asarray(np.pad(pixels, filling, constant_values=W), jnp.int32)[None],
        candidates=Candidates(jnp.arange(count + PADDING, dtype=jnp.int32)[None], jnp.int32(1)),
        nearness=jnp.float32(0.25),
        reached=jnp.zeros((1, len(pixels) + PADDING)),
    )


def field(offset=(0, 0), view=0):
    """Matches, each so far from its own place, kept in the picture."""
    place = np.clip(HERE + np.array(offset), 0, np.array([H - 1, W - 1]))
    return np.insert(place, 0, view, axis=-1).astype(np.int32)


def test_the_photo_matches_itself():
    found = matching.match(weights(), PLACES, jnp.asarray(PHOTO), RADIUS_AT)
    np.testing.assert_array_equal(found, field())


def test_of_equal_patches_the_one_at_home_wins():
    # A picture of one colour: all patches tie, and each pixel's home decides.
    flat = weights()._replace(keys=jnp.zeros((1, H * W + PADDING, 80)))
    flat = flat._replace(half_norms=flat.half_norms.at[:, : H * W].set(0.0))
    homes = (HERE + np.array([0, 1])).reshape(-1, 2)  # the motion brings all one to the right
    moved = flat._replace(homes=weights(homes).homes)
    found = matching.match(moved, PLACES, jnp.asarray(PHOTO), RADIUS_AT)
    np.testing.assert_array_equal(np.asarray(found)[REGION], field((0, -1))[REGION])
    np.testing.assert_array_equal(np.asarray(found)[~REGION], field()[~REGION])


@pytest.mark.parametrize("reach", [0, 1, 3])
def test_own_matches_vote_for_the_photo(reach):
    voted = matching.vote(jnp.asarray(PHOTO)[None], jnp.asarray(field()), EVERYWHERE, reach)
    np.testing.assert_allclose(voted, PHOTO, atol=1e-6)


@pytest.mark.parametrize("reach", [0, 2])
def test_one_offset_votes_for_the_shifted_picture(reach):
    other = RNG.uniform(-1, 1, PHOTO.shape).astype(np.float32)
    pictures = jnp.asarray(np.stack([PHOTO, other]))
    matches = jnp.asarray(field((2, -3), view=1))
    voted = np.asarray(matching.vote(pictures, matches, EVERYWHERE, reach))
    inner = np.s_[reach : H - 2 - reach, 3 + reach : W - reach]
    np.testing.assert_allclose(voted[inner], np.roll(other, (-2, 3), (0, 1))[inner], atol=1e-6)


def test_votes_are_shared_evenly():
    matches = field()
    matches[5, 5, 0] = 1  # one pixel copies from a white picture, all others from a black one
    pictures = jnp.asarray(np.stack([np.zeros((H, W, 3)), np.ones((H, W, 3))]), jnp.float32)
    voted = np.asarray(matching.vote(pictures, jnp.asarray(matches), EVERYWHERE, 1))[..., 0]
    expected = np.zeros((H, W))
    expected[4:7, 4:7] = 1 / 9
    np.testing.assert_allclose(voted, expected, atol=1e-6)


def test_what_is_outside_the_region_has_no_vote():
    region = np.zeros((H, W), bool)
    region[4:9, 4:9] = True
    matches = np.where(region[..., None], field((0, 0), view=1), field())
    pictures = jnp.asarray(np.stack([np.zeros((H, W, 3)), np.ones((H, W, 3))]), jnp.float32)
    voted = np.asarray(matching.vote(pictures, jnp.asarray(matches), jnp.asarray(region), 2))
    np.testing.assert_allclose(voted[region], 1, atol=1e-6)


def test_snapping_keeps_a_real_picture_and_cleans_a_noisy_one():
    start = np.where(REGION[..., None], PHOTO + 0.2 * RNG.standard_normal(PHOTO.shape), PHOTO)
    for image in (PHOTO, start.astype(np.float32)):
        snapped, matches = matching.snap(
            weights(),
            jnp.asarray(PHOTO)[None],
            PLACES,
            jnp.asarray(image),
            RADIUS_AT,
            iterations=3,
            reach=1,
        )
        np.testing.assert_array_equal(matches, field())
        np.testing.assert_allclose(snapped, PHOTO, atol=1e-6)
        np.testing.assert_array_equal(np.asarray(snapped)[~REGION], PHOTO[~REGION])


def test_what_is_nearly_at_home_is_brought_home():
    chosen = jnp.ones((1, H, W), bool)
    for offset in ((0, 0), (1, -2), (2, 2)):
        np.testing.assert_array_equal(matching.settled(jnp.asarray(field(offset)), chosen), field())


def test_what_is_far_from_home_and_what_has_none_stays():
    inner = np.s_[4:-4, 4:-4]
    far = field((3, 0))
    found = matching.settled(jnp.asarray(far), jnp.ones((1, H, W), bool))
    np.testing.assert_array_equal(found[inner], far[inner])
    near = field((1, 1))
    found = matching.settled(jnp.asarray(near), jnp.zeros((1, H, W), bool))
    np.testing.assert_array_equal(found, near)
