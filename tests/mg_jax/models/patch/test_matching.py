"""Matching and voting: the photo is its own best match, and a coherent field copies it."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from mg_jax.models.patch import matching, patch_library
from mg_jax.models.patch.denoiser import PatchParams
from mg_jax.models.patch.posterior import Candidates

H, W, RADIUS = 14, 16, 2
RNG = np.random.default_rng(0)
PHOTO = RNG.uniform(-1, 1, (H, W, 3)).astype(np.float32)
HERE = np.moveaxis(np.indices((H, W)), 0, -1)
REGION = np.zeros((H, W), bool)
EVERYWHERE = jnp.ones((H, W), bool)
REGION[2:9, 4:16] = True
PADDING = 6
PLACES = jnp.asarray(
    np.pad(np.insert(HERE.reshape(-1, 2), 0, 0, axis=1), ((0, PADDING), (0, 0))), jnp.int32
)
NONE = H * W  # the key of padding
HOME = jnp.arange(H * W, dtype=jnp.int32).reshape(1, H, W)
RADIUS_AT = jnp.int32(0)


def weights(homes=None, nearness=0.25):
    """Patches of the whole photo; `homes` [k, 2] default to where each patch is."""
    count = H * W
    built = patch_library.build(
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
        moves=jnp.zeros(count + PADDING, bool),
        homes=jnp.asarray(np.pad(homes, filling), jnp.float32),
        radius=jnp.asarray([0], jnp.int32),
        source=jnp.asarray(PHOTO),
        pixels=jnp.asarray(np.pad(pixels, filling, constant_values=W), jnp.int32)[None],
        candidates=Candidates(
            jnp.arange(count + PADDING, dtype=jnp.int32)[None], jnp.int32(1), jnp.zeros(1, bool)
        ),
        nearness=jnp.full(count + PADDING, nearness),
        prior=jnp.zeros(count + PADDING),
        away=jnp.zeros((1, len(pixels) + PADDING)),
        lands=jnp.zeros((1, len(pixels) + PADDING)),
    )


def field(offset=(0, 0), view=0):
    """Matches, each so far from its own place, kept in the picture."""
    place = np.clip(HERE + np.array(offset), 0, np.array([H - 1, W - 1]))
    return np.insert(place, 0, view, axis=-1).astype(np.int32)


def test_the_photo_matches_itself():
    found = matched(weights())
    np.testing.assert_array_equal(found, field())


def matched(params, image=PHOTO, home=HOME, settled=~EVERYWHERE):
    return np.asarray(matching.match(params, PLACES, home, jnp.asarray(image), RADIUS_AT, settled))


def shifted(*offset):
    """What lies so far from the photo's content; the photo's edge goes on."""
    place = np.clip(HERE - np.array(offset), 0, np.array([H - 1, W - 1]))
    return PHOTO[place[..., 0], place[..., 1]]


def level_photo(params):
    """A picture of one colour: all its patches are alike."""
    flat = params._replace(keys=jnp.zeros_like(params.keys))
    return flat._replace(half_norms=flat.half_norms.at[:, : H * W].set(0.0))


NOWHERE = jnp.full_like(HOME, NONE)  # no patch lies at home


def test_of_equal_patches_the_one_whose_home_is_near_wins():
    homes = (HERE + np.array([0, 1])).reshape(-1, 2)  # every patch belongs one to the right
    found = matched(level_photo(weights(homes)), home=NOWHERE)
    np.testing.assert_array_equal(found[REGION], field((0, -1))[REGION])
    np.testing.assert_array_equal(found[~REGION], field()[~REGION])


INNER = np.s_[4:7, 7:13]  # of the region, where no patch touches the photo's edge


@pytest.mark.parametrize("offset", [(0, 1), (1, -2), (-2, 2)])
def test_what_is_nearly_at_home_is_settled_there(offset):
    found = matched(weights(nearness=0.0), shifted(*offset))
    np.testing.assert_array_equal(found[INNER], field()[INNER])


@pytest.mark.parametrize("offset", [(0, 3), (3, -1)])
def test_what_the_sampler_brought_elsewhere_stays(offset):
    found = matched(weights(nearness=0.0), shifted(*offset))
    away = tuple(-step for step in offset)
    np.testing.assert_array_equal(found[INNER], field(away)[INNER])


def test_what_has_no_home_stays_where_it_is():
    found = matched(weights(nearness=0.0), shifted(1, 1), home=NOWHERE)
    np.testing.assert_array_equal(found[INNER], field((-1, -1))[INNER])


def test_of_patches_nearly_as_likely_the_one_at_home_wins():
    """The photo's patches tie; others that are a little likelier do not count."""
    params = level_photo(weights(nearness=0.0))
    last = jnp.arange(H * W + PADDING) == 3
    for likelier, wins in ((0.01, False), (1e3, True)):
        found = matched(params._replace(prior=jnp.where(last, likelier, 0.0)))
        chosen = (found == [0, 0, 3]).all(axis=-1)
        near = np.abs(HERE - [0, 3]).max(axis=-1) <= 2  # as good as at home
        assert chosen[REGION & ~near].all() == wins
        assert chosen[REGION & ~near].any() == wins
        np.testing.assert_array_equal(found[REGION & near], field()[REGION & near])


def lands_everywhere(params):
    return params._replace(lands=jnp.full_like(params.lands, 4.0))


def test_a_cell_goes_where_it_belongs_if_most_around_it_has_arrived():
    """Most of the 3 x 3 cells of the region round it; a block of them is astray."""
    image = PHOTO.copy()
    image[3:8, 8:13] = PHOTO[3:8, 2:7]
    astray = (matched(weights(nearness=0.0), image) != field()).any(axis=-1)
    arrived = ndimage.uniform_filter((REGION & ~astray).astype(float), 3, mode="constant")
    most = arrived > 0.5 * ndimage.uniform_filter(REGION.astype(float), 3, mode="constant")
    assert (astray & most).any()
    assert (astray & ~most).any()
    found = matched(lands_everywhere(weights(nearness=0.0)), image)
    np.testing.assert_array_equal((found != field()).any(axis=-1), astray & ~most)


def test_where_nothing_has_arrived_nothing_is_settled():
    found = matched(lands_everywhere(weights(nearness=0.0)), shifted(0, 4))
    np.testing.assert_array_equal(found[INNER], field((0, -4))[INNER])


def test_what_is_settled_stays_where_anything_lands():
    thin = np.zeros((H, W), bool)
    thin[4:7, 9] = True
    image = shifted(0, 4)
    for params, stays in ((weights(nearness=0.0), False), (lands_everywhere(weights()), True)):
        found = matched(params, image, settled=jnp.asarray(thin))
        assert (found == field()).all(axis=-1)[thin].all() == stays


def test_what_is_settled_where_there_is_no_patch_is_matched_as_ever():
    """The moved picture may lack one where its outline is thin."""
    found = matched(lands_everywhere(weights()), home=NOWHERE, settled=EVERYWHERE)
    np.testing.assert_array_equal(found, field())


@pytest.mark.parametrize(
    ("arrived", "whole"), [(0.0, False), (0.5, False), (0.7, True), (1.0, True)]
)
def test_what_has_arrived_for_the_most_part_has_arrived(arrived, whole):
    """Less of it stays as it was sampled."""
    order = np.random.default_rng(0).permutation(REGION.sum())
    missing = np.zeros((H, W), bool)
    missing[tuple(np.argwhere(REGION)[order[round(arrived * REGION.sum()) :]].T)] = True
    matches = np.where(missing[..., None], field((0, -4)), field())
    params = lands_everywhere(weights())
    found = matching.settled(params, PLACES, HOME, jnp.asarray(matches))
    assert np.asarray(found)[REGION].all() == whole
    assert not np.asarray(found)[~REGION].any()
    if not whole:
        assert not np.asarray(found)[missing].any()


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
            HOME,
            jnp.asarray(image),
            RADIUS_AT,
            ~EVERYWHERE,
            iterations=3,
            reach=1,
        )
        np.testing.assert_array_equal(matches, field())
        np.testing.assert_allclose(snapped, PHOTO, atol=1e-6)
        np.testing.assert_array_equal(np.asarray(snapped)[~REGION], PHOTO[~REGION])


GROUND, MOVED = (RNG.uniform(-1, 1, PHOTO.shape).astype(np.float32) for _ in range(2))
LANDS = REGION & (HERE[..., 1] < 10)
LEFT_BEHIND = (
    slice(3, 8),
    slice(12, 16),
)  # a piece of what lands at columns 4 to 8, far from there


def three_views(arrived):
    """Parameters of the photo, a ground and a moved picture; their places; the keys at home."""
    count = 3 * H * W
    pictures, everywhere = [PHOTO, GROUND, MOVED], [np.ones((H, W), bool)] * 3
    built = patch_library.build(
        pictures, everywhere, [RADIUS], 80, count + PADDING, np.random.default_rng(0)
    )
    places = np.concatenate([np.insert(HERE.reshape(-1, 2), 0, view, axis=1) for view in range(3)])
    filling = ((0, PADDING), (0, 0))
    one = weights()
    here = np.argwhere(REGION)
    lands = LANDS[tuple(here.T)] if arrived else np.zeros(len(here))
    padded = (0, PADDING)
    params = one._replace(
        filters=jnp.asarray(built.filters),
        response=jnp.asarray(built.response),
        keys=jnp.asarray(built.keys),
        values=jnp.asarray(built.values),
        half_norms=jnp.asarray(built.half_norms),
        moves=jnp.asarray(np.pad(places[:, 0] == 2, padded)),
        homes=jnp.asarray(np.pad(places[:, 1:], filling), jnp.float32),
        candidates=Candidates(
            jnp.arange(count + PADDING, dtype=jnp.int32)[None], jnp.int32(1), jnp.zeros(1, bool)
        ),
        nearness=jnp.zeros(count + PADDING),
        prior=jnp.zeros(count + PADDING),
        away=jnp.zeros((1, len(here) + PADDING)),
        lands=jnp.asarray(np.pad(4.0 * lands, padded), jnp.float32)[None],
    )
    home = np.arange(count, dtype=np.int32).reshape(3, H, W)
    home[2, :, 12:] = count  # nothing moved is offered there
    home = jnp.asarray(home)
    return params, jnp.asarray(np.pad(places, filling), jnp.int32), home


@pytest.mark.parametrize("arrived", [True, False])
def test_what_was_left_behind_is_ground_if_the_rest_has_arrived(arrived):
    image = np.where(LANDS[..., None], MOVED, GROUND)
    image[LEFT_BEHIND] = MOVED[3:8, 4:8]
    params, places, home = three_views(arrived)
    found = np.asarray(
        matching.match(params, places, home, jnp.asarray(image), RADIUS_AT, ~EVERYWHERE)
    )
    middle = found[4:7, 14, 0]
    assert (middle == (1 if arrived else 2)).all()
    assert (found[4:7, 5:8] == field(view=2)[4:7, 5:8]).all()
