"""SDEdit and RePaint with the patch denoiser, and pixels down the energy, at small settings."""

import functools
from pathlib import Path

import numpy as np
import pytest

import mg_jax
from flows import masks, motions, raft
from flows.motion import Motion
from flows.warping import forward
from mg_jax import images, noise
from mg_jax.baselines.pixels import descend
from mg_jax.baselines.repaint import repaint
from mg_jax.baselines.sdedit import sdedit
from mg_jax.filling import fill

DATA = Path(__file__).parents[3] / "experiments" / "data"
H, W = 128, 160
SETTINGS = mg_jax.PatchSettings(size=256, steps=4, recursions=1)


@functools.cache
def photo():
    return images.resize(images.read(DATA / "coffee.png"), H, W)


@functools.cache
def flow():
    mask = images.read_mask(DATA / "coffee_mask.png").astype(np.uint8)[..., None]
    chosen = images.resize(255 * mask, H, W)[..., 0] > 127
    return motions.field(motions.parse("translate dx=24 dy=0"), chosen)


def region():
    return Motion(flow()).near(6.0)


def key(seed):
    return noise.keys(seed, 1)[0]


@pytest.fixture(scope="module")
def by_sdedit():
    return sdedit(photo(), flow(), region(), key(0), SETTINGS)


@pytest.fixture(scope="module")
def by_repaint():
    return repaint(photo(), flow(), key(0), SETTINGS)


def off(picture, answer, where):
    return np.abs(picture.astype(float) - answer)[where].mean()


@pytest.mark.long
def test_sdedit_keeps_the_photo_outside_the_region(by_sdedit):
    assert by_sdedit.dtype == np.uint8
    np.testing.assert_array_equal(by_sdedit[~region()], photo()[~region()])


def test_sdedit_is_nearer_to_the_warp_than_the_photo_is(by_sdedit):
    landed = masks.destination(flow())
    warped = forward(photo(), Motion(flow())).picture
    assert off(by_sdedit, warped, landed) < 0.5 * off(photo(), warped, landed)


def test_sdedit_is_nearly_the_same_picture_with_another_seed(by_sdedit):
    """Where each patch is at home is known: little is left to chance."""
    other = sdedit(photo(), flow(), region(), key(1), SETTINGS)
    assert np.abs(other.astype(float) - by_sdedit)[region()].mean() < 5


@pytest.mark.long
def test_repaint_changes_nothing_but_the_holes(by_repaint):
    picture, holes = forward(photo(), Motion(flow()))
    np.testing.assert_array_equal(by_repaint[~holes], picture[~holes])


def test_repaint_takes_the_object_out_of_the_holes(by_repaint):
    picture, holes = forward(photo(), Motion(flow()))
    filled = fill(picture, holes)
    assert off(by_repaint, picture, holes) > 10
    assert off(by_repaint, filled, holes) < off(picture, filled, holes)


def test_repaint_is_the_same_again(by_repaint):
    again = repaint(photo(), flow(), key(0), SETTINGS)
    np.testing.assert_array_equal(again, by_repaint)


def test_repaint_of_a_warp_without_holes_is_the_warp():
    y, x = np.mgrid[:H, :W].astype(np.float32)
    moving = masks.moving(flow())
    away = np.stack([x - x[moving].mean(), y - y[moving].mean()], axis=-1)
    enlarging = np.where(moving[..., None], np.float32(0.2) * away, 0).astype(np.float32)
    picture, holes = forward(photo(), Motion(enlarging))
    result = repaint(photo(), enlarging, key(0), SETTINGS)
    assert not holes.any()
    np.testing.assert_array_equal(result, picture)


def test_pixels_lower_the_energy_and_keep_the_photo_outside_the_region():
    picture, energies = descend(photo(), flow(), region(), raft.load("raft-small"), SETTINGS, 8)
    assert energies.shape == (8,)
    assert energies[-1] == energies.min() < energies[0]
    np.testing.assert_array_equal(picture[~region()], photo()[~region()])
    assert (picture != photo())[region()].any()
