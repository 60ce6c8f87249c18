"""The patch model's whole run: what each setting changes, and what none does."""

import dataclasses
import functools
import math

import numpy as np
import pytest

from flows import masks, motions, raft
from mg_jax import noise
from mg_jax.models.patch import coarse_to_fine
from mg_jax.models.patch.settings import Settings

pytestmark = pytest.mark.long

H = W = 128
Y, X = np.mgrid[:H, :W]
OBJECT = np.hypot(Y - 60, X - 50) < 14
TEXTURE = np.random.default_rng(0).integers(-20, 20, (H, W, 1))
COLOURS = np.where(OBJECT[..., None], [200, 60, 40], [60, 110, 70])
PHOTO = (COLOURS + TEXTURE).astype(np.uint8)
FLOW = motions.field(motions.parse("translate dx=24 dy=8"), OBJECT)
REGION = masks.edit_region(FLOW, 4.0)
SETTINGS = Settings(size=256, steps=4, recursions=2)
BLURRED, COARSE = 2, 6  # evaluations: one level of two, three of two but the last runs alone
OPTIONS = {
    "default": {},
    "guidance alone": {"home_spread": math.inf},
    "true flow": {"home_spread": math.inf, "oracle_flow": True},
    "estimate": {"home_spread": math.inf, "gradient_through": "estimate"},
    "shared": {"home_spread": math.inf, "gradient_every": 2},
}


@functools.cache
def ran(option):
    settings = dataclasses.replace(SETTINGS, **OPTIONS[option])
    pictures, trace = coarse_to_fine.run(
        PHOTO,
        FLOW,
        REGION,
        raft.load("raft-small"),
        noise.keys(0, 1),
        settings,
        np.ones(6),
        lambda _: None,
    )
    return pictures[0], trace


@pytest.mark.parametrize("option", OPTIONS)
def test_outside_the_region_it_is_the_photo(option):
    picture, trace = ran(option)
    np.testing.assert_array_equal(picture[~REGION], PHOTO[~REGION])
    assert np.isfinite(trace.energy).all()


def test_the_denoiser_that_knows_the_motion_moves_the_object():
    picture, _ = ran("default")
    answer = np.where(np.roll(OBJECT, (8, 24), (0, 1))[..., None], [200, 60, 40], [60, 110, 70])
    off = np.abs(picture.astype(float) - answer).mean(axis=-1)
    assert off[REGION].mean() < 15  # the texture alone makes ten
    assert (np.abs(PHOTO.astype(float) - answer).mean(axis=-1))[REGION].mean() > 25


def test_with_guidance_alone_patches_are_the_photos_from_anywhere():
    settings = dataclasses.replace(SETTINGS, home_spread=math.inf)
    (view, picture), *others = coarse_to_fine.seen(PHOTO, FLOW, settings)
    assert not others
    assert view.chosen.all()
    np.testing.assert_allclose(255 * (picture + 1) / 2, PHOTO, atol=1e-4)


@pytest.mark.parametrize("option", ["true flow", "estimate", "shared"])
def test_settings_of_the_gradient_do_not_change_the_first_energy(option):
    """It is of the same noise and the same denoiser; another program rounds otherwise."""
    np.testing.assert_allclose(
        ran(option)[1].energy[0], ran("guidance alone")[1].energy[0], rtol=1e-4
    )


def test_the_true_flow_counts_from_the_first_level_that_has_a_flow():
    true, estimated = ran("true flow")[1], ran("guidance alone")[1]
    np.testing.assert_allclose(true.energy[:BLURRED], estimated.energy[:BLURRED], rtol=1e-4)
    assert (true.color[BLURRED] != estimated.color[BLURRED]).all()


def test_gradients_that_skip_the_denoiser_push_otherwise():
    skipping, whole = ran("estimate")[1], ran("guidance alone")[1]
    assert (skipping.push_norm[0] != whole.push_norm[0]).all()


def test_a_shared_gradient_pushes_twice():
    trace = ran("shared")[1]
    second = trace.repetition == 1
    first = np.roll(second, -1)
    np.testing.assert_array_equal(trace.push_norm[second], trace.push_norm[first])
    assert (ran("guidance alone")[1].push_norm[second] != trace.push_norm[first]).any()
