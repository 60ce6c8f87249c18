"""Noise: a pure function of key, step and draw; a recording is repeated number by number."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mg_jax import noise

SHAPE = (2, 3, 5, 4)
KEYS = noise.keys(11, 2)
gaussian = jax.jit(noise.gaussian, static_argnums=(2, 3))
start = jax.jit(noise.start, static_argnums=1)
replay = jax.jit(noise.replay, static_argnums=(2, 3))


def step(number):
    return jnp.int32(number)


def test_noise_is_a_function_of_key_step_and_draw():
    once = gaussian(KEYS, step(4), noise.Draw.SOURCE, SHAPE)
    assert once.dtype == jnp.float32
    assert once.shape == SHAPE
    np.testing.assert_array_equal(gaussian(KEYS, step(4), noise.Draw.SOURCE, SHAPE), once)


def test_every_step_draw_and_sample_has_its_own_noise():
    drawn = [gaussian(KEYS, step(i), draw, SHAPE) for i in range(3) for draw in noise.Draw]
    fields = np.concatenate([*drawn, start(KEYS, SHAPE)])
    assert len(fields) == 20
    for one, two in itertools.combinations(fields, 2):
        assert np.all(one != two)


def test_noise_is_standard_normal_and_uncorrelated():
    shape = (2, 100, 100, 4)
    fields = np.stack(
        [gaussian(KEYS, step(0), draw, shape) for draw in noise.Draw] + [start(KEYS, shape)]
    ).reshape(8, -1)
    few = 5 / np.sqrt(fields.shape[1])  # five standard errors
    assert np.max(np.abs(fields.mean(axis=1))) < few
    np.testing.assert_allclose(np.cov(fields), np.eye(8), rtol=0, atol=1.5 * few)


@pytest.mark.parametrize("seed", [0, 41, 2**32 - 3])
def test_sample_i_of_a_seed_is_sample_0_of_seed_plus_i(seed):
    batch = noise.keys(seed, 3)
    whole = gaussian(batch, step(2), noise.Draw.RENOISE, (3, 2, 2, 1))
    begin = start(batch, (3, 2, 2, 1))
    for i in range(3):
        alone = noise.keys(seed + i, 1)
        np.testing.assert_array_equal(
            gaussian(alone, step(2), noise.Draw.RENOISE, (1, 2, 2, 1))[0], whole[i]
        )
        np.testing.assert_array_equal(start(alone, (1, 2, 2, 1))[0], begin[i])


@pytest.mark.parametrize("seed", [-1, 2**32 - 1, 2**40])
def test_seeds_that_would_wrap_round_are_refused(seed):
    with pytest.raises(ValueError, match=f"seed: {seed} is outside 0..4294967294"):
        noise.keys(seed, 2)


def test_the_largest_seed_is_taken():
    assert noise.keys(2**32 - 1, 1).shape == (1,)


@pytest.mark.parametrize("samples", [1, 3])
def test_keys_for_another_number_of_samples_are_refused(samples):
    keys = noise.keys(0, samples)
    with pytest.raises(ValueError, match=f"keys: {samples} for 2 samples"):
        noise.gaussian(keys, step(0), noise.Draw.DDIM, SHAPE)
    with pytest.raises(ValueError, match=f"keys: {samples} for 2 samples"):
        noise.start(keys, SHAPE)


RECORDING = np.random.default_rng(0).normal(size=(6, 3, *SHAPE)).astype(np.float32)


@pytest.mark.parametrize("draw", list(noise.Draw))
@pytest.mark.parametrize("number", [0, 5])
def test_a_replay_returns_the_recording(number, draw):
    replayed = replay(jnp.asarray(RECORDING), step(number), draw, SHAPE)
    np.testing.assert_array_equal(replayed, RECORDING[number, int(draw)])


def test_after_its_end_a_recording_gives_nan():
    assert np.all(np.isnan(replay(jnp.asarray(RECORDING), step(6), noise.Draw.DDIM, SHAPE)))


def test_recordings_of_another_shape_are_refused():
    recording = jnp.asarray(RECORDING)
    with pytest.raises(ValueError, match="recording: draws of shape"):
        noise.replay(recording, step(0), noise.Draw.SOURCE, (1, *SHAPE[1:]))
    with pytest.raises(ValueError, match="recording: 2 draws a step, expected 3"):
        noise.replay(recording[:, :2], step(0), noise.Draw.RENOISE, SHAPE)
