"""One guided step: source replacement, push, clip, DDIM and re-noising, each by its law."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mg_jax import energies, kernel, noise, schedule
from mg_jax.types import Edit, Params, Problem, Strengths, Target, Terms

SHAPE = (4, 5, 6, 3)
LEVELS = schedule.ddim(20)
LEVEL = jax.tree.map(lambda field: field[8], LEVELS)
ALPHA, PREVIOUS = float(LEVEL.alpha), float(LEVEL.alpha_prev)
SIGMA = np.sqrt(1 - ALPHA)
RECORDING = jnp.asarray(np.random.default_rng(5).normal(size=(6, 3, *SHAPE)), jnp.float32)


def normal(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def zero_noise(_params, z, _level, _prompt):
    """A denoiser that sees no noise: the one-step estimate is z / √ᾱ."""
    return jnp.zeros_like(z)


def halve(_params, z, _level, _prompt):
    return 0.5 * z


def decode(_params, clean):
    return clean


def pull(_params, target, image, _level):
    """An energy whose gradient in the image is `target.source`, whatever the image."""
    energy = jnp.sum(target.source * image, axis=(1, 2, 3))
    return energy, Terms(energy, jnp.zeros_like(energy))


def problem(weight=1.0, clip=1e6, guidance_mask=None, keep=None, source=None):
    samples = SHAPE[0]
    ones = jnp.ones(samples)
    target = Target(
        source=normal(*SHAPE, seed=3),
        flow=jnp.zeros((*SHAPE[:3], 2)),
        visible=jnp.ones((*SHAPE[:3], 1)),
        features=(),
        flow_unit=ones,
        flow_weight=ones,
        color_weight=ones,
    )
    edit = Edit(
        source=normal(*SHAPE, seed=4) if source is None else source,
        keep=jnp.zeros((*SHAPE[:3], 1), bool) if keep is None else keep,
        guidance_mask=jnp.ones((*SHAPE[:3], 1)) if guidance_mask is None else guidance_mask,
        target=target,
    )
    strengths = Strengths(jnp.broadcast_to(jnp.float32(weight), samples), clip * ones)
    return Problem(Params((), (), ()), edit, strengths, ())


def stepper(
    denoise=halve,
    energy=pull,
    source_at=kernel.noised_source,
    draw=noise.replay,
    recursions=1,
    every=1,
):
    built = kernel.build(denoise, decode, energy, source_at, draw, recursions, gradient_every=every)
    return jax.jit(built.step)


once = stepper()
Z = normal(*SHAPE, seed=1)


def pushed(z, level=LEVEL):
    """The push that a step of `halve` made, found from where the step went."""
    plain = kernel.ddim(Z, 0.5 * Z, level)
    slope = kernel.ddim(jnp.zeros_like(Z), jnp.ones_like(Z), level)
    return np.asarray((z - plain) / slope)


def norms(push):
    return np.linalg.norm(push.reshape(SHAPE[0], -1), axis=1)


def masks():
    left = (np.arange(SHAPE[2]) < 2)[None, None, :, None]
    return jnp.asarray(np.broadcast_to(left, (*SHAPE[:3], 1)))


# Source.


def test_kept_pixels_are_the_source_at_this_level_with_the_recorded_noise():
    edit = problem(keep=masks())
    step = stepper(zero_noise, energies.nothing)
    state, info = step(RECORDING, kernel.init(Z), LEVEL, edit)
    source = np.sqrt(ALPHA) * edit.edit.source + SIGMA * RECORDING[0, noise.Draw.SOURCE]
    expected = np.where(masks(), source, Z)
    np.testing.assert_allclose(info.clean * np.sqrt(ALPHA), expected, rtol=0, atol=2e-6)
    cleaner = np.sqrt(PREVIOUS / ALPHA) * expected
    np.testing.assert_allclose(state.z, cleaner, rtol=0, atol=2e-6)


def test_kept_pixels_are_the_stored_trajectory_at_this_levels_position():
    stored = normal(20, *SHAPE, seed=6)
    edit = problem(keep=masks(), source=stored)
    step = stepper(zero_noise, energies.nothing, kernel.stored_source)
    _, info = step(RECORDING, kernel.init(Z), LEVEL, edit)
    expected = np.where(masks(), stored[8], Z)
    np.testing.assert_allclose(info.clean * np.sqrt(ALPHA), expected, rtol=0, atol=2e-6)


def test_a_trajectory_that_is_too_short_gives_nan_not_its_last_level():
    edit = problem(keep=masks(), source=normal(8, *SHAPE))
    step = stepper(zero_noise, energies.nothing, kernel.stored_source)
    state, _ = step(RECORDING, kernel.init(Z), LEVEL, edit)
    np.testing.assert_array_equal(np.isnan(state.z), np.broadcast_to(masks(), SHAPE))


@pytest.mark.parametrize(
    ("z", "changed", "said"),
    [
        (normal(*SHAPE[1:]), {}, "z: float32 (5, 6, 3); expected floats (batch, h, w, channels)"),
        (jnp.zeros(SHAPE, jnp.uint8), {}, "z: uint8 (4, 5, 6, 3)"),
        (Z, {"source": normal(*SHAPE[1:])}, "source: shape (5, 6, 3); expected (batch, h, w"),
        (Z, {"keep": masks()[0]}, "keep: shape (5, 6, 1); expected (batch, 5, 6, 1), as z"),
        (Z, {"guidance_mask": jnp.ones((4, 1, 1, 1))}, "guidance_mask: shape (4, 1, 1, 1)"),
    ],
)
def test_what_broadcasting_would_take_for_something_else_is_refused(z, changed, said):
    with pytest.raises(ValueError, match="expected") as caught:
        stepper()(RECORDING, kernel.State(z, jnp.zeros((), jnp.int32)), LEVEL, problem(**changed))
    assert said in str(caught.value)


@pytest.mark.parametrize("shape", [SHAPE[1:], (1, *SHAPE[1:])], ids=["no batch", "one for four"])
def test_a_source_of_another_shape_is_refused(shape):
    step = stepper(source_at=lambda *_: jnp.zeros(shape))
    with pytest.raises(ValueError, match="at a level, expected"):
        step(RECORDING, kernel.init(Z), LEVEL, problem())


def test_nothing_is_kept_where_the_mask_is_false():
    one, _ = once(RECORDING, kernel.init(Z), LEVEL, problem(source=normal(*SHAPE, seed=7)))
    two, _ = once(RECORDING, kernel.init(Z), LEVEL, problem(source=normal(*SHAPE, seed=8)))
    np.testing.assert_array_equal(one.z, two.z)


# Push.


def test_the_push_is_the_gradient_times_weight_ramp_and_sigma():
    weight = np.array([0.0, 0.5, 1.0, 2.0], np.float32)
    level = LEVEL._replace(ramp=jnp.float32(0.7))
    edit = problem(weight)
    state, info = once(RECORDING, kernel.init(Z), level, edit)
    # The image is (z − σ·z/2)/√ᾱ, so the gradient is the pulled direction times its slope.
    gradient = edit.edit.target.source * (1 - 0.5 * SIGMA) / np.sqrt(ALPHA)
    expected = 0.7 * SIGMA * weight[:, None, None, None] * np.asarray(gradient)
    np.testing.assert_allclose(pushed(state.z, level), expected, rtol=0, atol=1e-4)
    np.testing.assert_allclose(info.guidance_norm[0], norms(expected), rtol=1e-5)


def test_the_push_points_uphill_so_that_the_image_goes_downhill():
    edit = problem()
    state, info = once(RECORDING, kernel.init(Z), LEVEL, edit)
    moved = kernel.one_step_estimate(state.z, 0.5 * state.z, LEVEL.alpha_prev)
    free, _ = once(RECORDING, kernel.init(Z), LEVEL, problem(weight=0.0))
    unmoved = kernel.one_step_estimate(free.z, 0.5 * free.z, LEVEL.alpha_prev)
    before, _ = pull((), edit.edit.target, unmoved, LEVEL)
    after, _ = pull((), edit.edit.target, moved, LEVEL)
    assert np.all(np.asarray(after) < np.asarray(before))
    np.testing.assert_allclose(info.terms.flow, info.energy)


@pytest.mark.parametrize("clip", [0.0, 0.01, 1.0, 8.0, 9.0, 1e6])
def test_the_push_is_the_shorter_of_itself_and_the_clip(clip):
    edit = problem(weight=[0.0, 0.5, 1.0, 20.0], clip=clip)
    state, info = once(RECORDING, kernel.init(Z), LEVEL, edit)
    done = norms(pushed(state.z))
    before = np.asarray(info.guidance_norm[0])
    np.testing.assert_allclose(done, np.minimum(before, clip), rtol=1e-4, atol=2e-5)
    assert np.all(done <= clip * (1 + 1e-4) + 2e-5)


def test_clipping_shortens_the_push_without_turning_it():
    free, _ = once(RECORDING, kernel.init(Z), LEVEL, problem())
    short, _ = once(RECORDING, kernel.init(Z), LEVEL, problem(clip=1.0))
    direction = pushed(free.z) / norms(pushed(free.z))[:, None, None, None]
    np.testing.assert_allclose(pushed(short.z), direction, rtol=0, atol=1e-5)


def test_there_is_no_push_where_steering_is_off():
    off = jnp.where(masks(), 0.0, 1.0)
    state, info = once(RECORDING, kernel.init(Z), LEVEL, problem(guidance_mask=off))
    everywhere, all_info = once(RECORDING, kernel.init(Z), LEVEL, problem())
    free, _ = once(RECORDING, kernel.init(Z), LEVEL, problem(weight=0.0))
    left = np.broadcast_to(masks(), SHAPE)
    np.testing.assert_array_equal(np.asarray(state.z)[left], np.asarray(free.z)[left])
    np.testing.assert_array_equal(np.asarray(state.z)[~left], np.asarray(everywhere.z)[~left])
    assert np.all(np.asarray(info.guidance_norm) < np.asarray(all_info.guidance_norm))


@pytest.mark.parametrize(
    ("norm", "largest", "factor"),
    [(0.0, 0.0, 1.0), (0.0, 2.0, 1.0), (2.0, 2.0, 1.0), (4.0, 1.0, 0.25), (3.0, 0.0, 0.0)],
)
def test_the_shrinking_factor(norm, largest, factor):
    assert kernel.shrink(jnp.array([norm]), jnp.array([largest])) == factor


# Steps between levels.


def test_ddim_with_the_true_noise_lands_on_the_same_image_at_the_next_level():
    clean, eps = normal(*SHAPE, seed=1), normal(*SHAPE, seed=2)
    z = np.sqrt(ALPHA) * clean + SIGMA * eps
    np.testing.assert_allclose(
        kernel.one_step_estimate(z, eps, LEVEL.alpha), clean, rtol=0, atol=1e-5
    )
    expected = np.sqrt(PREVIOUS) * clean + np.sqrt(1 - PREVIOUS) * eps
    np.testing.assert_allclose(kernel.ddim(z, eps, LEVEL), expected, rtol=0, atol=1e-5)


def test_renoising_restores_the_levels_signal_and_variance_at_every_level():
    levels = schedule.ddim(500)
    one, nothing = jnp.ones((1, 1, 1, 1)), jnp.zeros((1, 1, 1, 1))
    signal, old, new = jax.vmap(
        lambda level: (
            kernel.renoise(jnp.sqrt(level.alpha_prev) * one, nothing, level),
            kernel.renoise(jnp.sqrt(1.0 - level.alpha_prev) * one, nothing, level),
            kernel.renoise(nothing, one, level),
        )
    )(levels)
    alpha = np.asarray(levels.alpha)
    np.testing.assert_allclose(signal.squeeze(), np.sqrt(alpha), rtol=1e-6)
    np.testing.assert_allclose((old**2 + new**2).squeeze(), 1 - alpha, rtol=0, atol=3e-7)


# Repetitions.


def test_repetitions_are_steps_with_renoising_between_and_the_last_goes_on():
    edit = problem(keep=masks(), clip=1.0)
    state, info = stepper(recursions=3)(RECORDING, kernel.init(Z), LEVEL, edit)
    z, rows = Z, []
    for i in range(3):
        single, row = once(RECORDING, kernel.State(z, jnp.int32(i)), LEVEL, edit)
        rows.append(row)
        z = kernel.renoise(single.z, RECORDING[i, noise.Draw.RENOISE], LEVEL)
    np.testing.assert_allclose(state.z, single.z, rtol=0, atol=2e-6)
    np.testing.assert_allclose(info.clean, rows[-1].clean, rtol=0, atol=5e-6)
    np.testing.assert_allclose(info.energy, jnp.concatenate([r.energy for r in rows]), rtol=1e-4)
    assert int(state.steps) == 3


def test_steps_count_on_from_the_state_and_choose_the_noise():
    edit = problem(keep=masks())
    begin = kernel.State(Z, jnp.int32(4))
    state, _ = stepper(recursions=2)(RECORDING, begin, LEVEL, edit)
    moved, _ = stepper(recursions=2)(RECORDING[4:], kernel.init(Z), LEVEL, edit)
    np.testing.assert_array_equal(state.z, moved.z)
    assert int(state.steps) == 6
    assert int(kernel.init(Z).steps) == 0


def test_no_repetitions_are_refused():
    with pytest.raises(ValueError, match="recursions: 0; expected at least 1"):
        kernel.build(halve, decode, pull, kernel.noised_source, noise.replay, 0)


def test_the_clip_may_go_by_the_batch():
    """The reference's norm is that of all samples together; of one sample it is the same."""
    push = normal(3, 4, 4, 2, seed=5)
    whole = kernel.norm_of_batch(push)
    np.testing.assert_allclose(whole, np.full(3, np.linalg.norm(push)), rtol=1e-6)
    squares = jnp.square(kernel.norm_of_sample(push))
    np.testing.assert_allclose(jnp.square(whole), jnp.full(3, jnp.sum(squares)), rtol=1e-6)
    np.testing.assert_allclose(
        kernel.norm_of_batch(push[:1]), kernel.norm_of_sample(push[:1]), rtol=1e-6
    )
    built = kernel.build(
        halve, decode, pull, kernel.noised_source, noise.replay, 1, kernel.norm_of_batch
    )
    _, info = jax.jit(built.step)(RECORDING, kernel.init(Z), LEVEL, problem())
    assert np.ptp(info.guidance_norm[0]) == 0


@pytest.mark.parametrize("float64", [False, True])
def test_a_step_keeps_the_latents_dtype(float64):
    with jax.enable_x64(float64):
        edit, z, level, recording = jax.tree.map(
            lambda leaf: leaf.astype(float) if leaf.dtype == jnp.float32 else leaf,
            (problem(), Z, LEVEL, RECORDING),
        )
        built = kernel.build(halve, decode, pull, kernel.noised_source, noise.replay, 2)
        state, info = jax.eval_shape(built.step, recording, kernel.init(z), level, edit)
        expected = jnp.zeros((), float).dtype
    assert {leaf.dtype for leaf in (state.z, *jax.tree.leaves(info))} == {expected}
    assert state.steps.dtype == jnp.int32


# What spares time.


def bowl(_params, target, image, _level):
    """An energy whose gradient in the image is the way from `target.source`."""
    energy = 0.5 * jnp.sum(jnp.square(image - target.source), axis=(1, 2, 3))
    return energy, Terms(energy, jnp.zeros_like(energy))


def test_a_constant_denoiser_predicts_the_same_and_has_no_gradient():
    edit = problem()
    found, info = stepper(kernel.without_gradient(halve))(RECORDING, kernel.init(Z), LEVEL, edit)
    through, whole = once(RECORDING, kernel.init(Z), LEVEL, edit)
    np.testing.assert_array_equal(info.clean, whole.clean)
    # The estimate's slope in z is 1/√ᾱ, and not (1 − σ/2)/√ᾱ.
    gradient = SIGMA * np.asarray(edit.edit.target.source) / np.sqrt(ALPHA)
    np.testing.assert_allclose(pushed(found.z), gradient, rtol=0, atol=1e-4)
    np.testing.assert_allclose(pushed(through.z), (1 - 0.5 * SIGMA) * gradient, rtol=0, atol=1e-4)


def test_repetitions_that_share_a_gradient_are_pushed_by_the_firsts():
    _, info = stepper(energy=bowl, recursions=6, every=3)(
        RECORDING, kernel.init(Z), LEVEL, problem()
    )
    norms_of = np.asarray(info.guidance_norm)
    for first in (0, 3):
        for name in ("energy", "guidance_norm"):
            rows = np.asarray(getattr(info, name))
            np.testing.assert_array_equal(rows[first + 1], rows[first])
            np.testing.assert_array_equal(rows[first + 2], rows[first])
    assert (norms_of[3] != norms_of[0]).all()


def test_a_gradient_that_changes_nowhere_may_be_shared_by_all():
    """With a linear energy and denoiser the gradient is the same everywhere."""
    edit = problem()
    alone, _ = stepper(recursions=5)(RECORDING, kernel.init(Z), LEVEL, edit)
    shared, _ = stepper(recursions=5, every=2)(RECORDING, kernel.init(Z), LEVEL, edit)
    np.testing.assert_allclose(shared.z, alone.z, rtol=0, atol=1e-5)


def test_the_first_repetition_of_a_level_has_its_own_gradient():
    step = stepper(energy=bowl, recursions=1, every=4)
    own = stepper(energy=bowl, recursions=1)
    late = kernel.init(Z)._replace(steps=jnp.int32(3))
    np.testing.assert_array_equal(
        step(RECORDING, late, LEVEL, problem())[0].z, own(RECORDING, late, LEVEL, problem())[0].z
    )


def test_a_gradient_for_no_repetition_is_refused():
    with pytest.raises(ValueError, match="gradient_every: 0; expected at least 1"):
        stepper(every=0)
