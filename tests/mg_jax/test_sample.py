"""The sampler: parity with a numpy transcription of the reference, and the laws of whole runs."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flows import geometry
from mg_jax import energies, kernel, noise, prompting, sample, schedule
from mg_jax.sample import Phase
from mg_jax.types import Edit, Params, Problem, Strengths, Target

from . import reference_numpy as reference

LEVELS, REPETITIONS, LATENT = 25, 3, (6, 7, 4)
RAMP = np.linspace(1.5, 0.5, LEVELS)


# The transcription's networks, in JAX.


def denoise(params, z, level, prompt):
    mix, shift, rise = params
    inner = jnp.einsum("bhwc,bcd->bhwd", z, mix)
    inner += jnp.einsum("bhwc,bcd->bhwd", jnp.roll(z, 1, axis=2), shift)
    inner += (level.t / 1000.0 * rise + prompt)[:, None, None, :]
    return jnp.sqrt(1.0 - level.alpha) * z + 0.3 * jnp.tanh(inner)


def guided(params, z, level, prompt):
    """Classifier-free; the toy weights differ from sample to sample, so they are doubled too."""
    doubled = jax.tree.map(lambda leaf: jnp.concatenate([leaf, leaf]), params)
    return prompting.classifier_free(denoise)(doubled, z, level, prompt)


def decode(colors, clean):
    def enlarge(grid):
        following = jnp.concatenate([grid[:, 1:], grid[:, -1:]], axis=1)
        pairs = jnp.stack([grid, (grid + following) / 2.0], axis=2)
        return pairs.reshape(grid.shape[0], -1, *grid.shape[2:])

    rows = enlarge(jnp.einsum("bhwc,bck->bhwk", clean, colors))
    return enlarge(rows.swapaxes(1, 2)).swapaxes(1, 2)


def look(see, image):
    for axis in (1, 2):
        around = [(0, 0)] * 4
        around[axis] = (1, 1)
        padded = jnp.pad(image, around)
        size = image.shape[axis]
        parts = [jax.lax.slice_in_dim(padded, i, i + size, axis=axis) for i in range(3)]
        image = sum(parts[1:], parts[0]) / 3.0
    return jnp.einsum("bHWk,bkf->bHWf", image, see)


def flow_of(see, target, image):
    return 4.0 * jnp.tanh(look(see, image) - target.features)


def batched(values, axis=0):
    return jnp.asarray(np.stack(values, axis=axis), float)


def problem_of(cases):
    """One batched problem, in JAX's default float type, from the transcription's cases."""

    def stack(name, axis=0):
        return batched([getattr(case, name) for case in cases], axis)

    stored = cases[0].source.ndim == 4
    target = Target(
        source=stack("image"),
        flow=stack("flow"),
        visible=stack("visible"),
        features=batched([reference.features(case) for case in cases]),
        flow_unit=jnp.ones(len(cases), float),
        flow_weight=stack("flow_weight"),
        color_weight=stack("color_weight"),
    )
    source = stack("source", axis=1 if stored else 0)
    keep = jnp.asarray(np.stack([case.keep for case in cases]))
    denoiser = stack("mix"), stack("shift"), stack("rise")
    return Problem(
        params=Params(denoiser, stack("colors"), stack("see")),
        edit=Edit(source, keep, jnp.ones(keep.shape, float), target),
        strengths=Strengths(stack("guidance_weight"), stack("clip")),
        prompt=prompting.Prompt(stack("empty"), stack("prompt"), stack("cfg_scale")),
    )


def starts(cases):
    return kernel.init(batched([case.start for case in cases]))


def build(source_at=kernel.noised_source, draw=noise.gaussian, recursions=REPETITIONS):
    return kernel.build(guided, decode, energies.motion(flow_of), source_at, draw, recursions)


# Parity.


def tapes(stored):
    """The noise of two samples: as read by the transcription, and as the recording to replay.

    The reference draws no source noise where latents are stored: a recording's place for it holds
    NaN then, to prove that it is not used.
    """
    random = np.random.default_rng(7)
    recording = random.standard_normal((LEVELS * REPETITIONS, 3, 2, *LATENT))
    if stored:
        recording[:, 0] = np.nan
    first = 1 if stored else 0
    tape = [recording[:, first:, i].reshape(-1, *LATENT) for i in range(2)]
    return tape, recording


@cache
def transcribed(stored):
    """Two samples' cases, and the transcription's run of each."""
    cases = [reference.random_case(seed, LEVELS if stored else 0) for seed in (0, 1)]
    tape, _ = tapes(stored)
    levels = reference.levels(LEVELS, RAMP)
    return cases, [
        reference.sample(case, levels, REPETITIONS, tape[i]) for i, case in enumerate(cases)
    ]


def errors(stored):
    """Largest relative error of each compared quantity of a run of the two samples."""
    cases, expected = transcribed(stored)
    source_at = kernel.stored_source if stored else kernel.noised_source
    final, info = jax.jit(partial(sample.scan, build(source_at, noise.replay)))(
        jnp.asarray(tapes(stored)[1], float),
        starts(cases),
        schedule.ddim(LEVELS, RAMP),
        problem_of(cases),
    )
    latents = np.stack([record.z for record in expected])
    found = {"z": np.max(np.abs(final.z - latents)) / np.max(np.abs(latents))}
    for name, ours in zip(("energy", "flow", "color", "norm"), measured(info), strict=True):
        theirs = np.stack([getattr(record, name) for record in expected], axis=-1)
        assert ours.shape == theirs.shape == (LEVELS, REPETITIONS, 2)
        found[name] = np.max(np.abs(ours - theirs) / np.abs(theirs))
    return found


def measured(info):
    return np.stack([info.energy, *info.terms, info.guidance_norm])


@pytest.mark.parametrize("stored", [False, True], ids=["fresh", "stored"])
def test_a_run_equals_the_transcription_of_the_reference(stored):
    for case, record in zip(*transcribed(stored), strict=True):
        clipped = np.mean(record.norm > case.clip)
        assert 0.05 < clipped < 0.95  # clipping acts at some recursions, not at others
        assert np.mean(record.flow[-5:]) < 0.7 * np.mean(record.flow[0])  # guidance guides
    with jax.enable_x64(True):
        found = errors(stored)
    assert max(found.values()) < 1e-12, found


def test_a_run_in_float32_stays_with_the_transcription():
    found = errors(stored=False)
    assert max(found.values()) < 1e-5, found


def test_the_transcription_sees_the_occlusions_that_the_package_sees():
    flow = reference.random_case(0).flow
    expected = reference.occlusion(flow)[..., 0].astype(bool)
    assert 0 < np.sum(~expected) < flow[..., 0].size / 4
    mask = jax.jit(geometry.occlusion_mask)(jnp.asarray(flow, jnp.float32))
    np.testing.assert_array_equal(mask, expected)


# Laws. One compiled program serves all that have two samples and six levels.

SHORT = schedule.ddim(6)
KEYS = noise.keys(8, 2)
traces = []


@jax.jit
def run(keys, state, levels, problem):
    traces.append(levels.t.shape)
    return sample.scan(build(recursions=2), keys, state, levels, problem)


def edit(*seeds):
    """State and problem of one batch."""
    cases = [reference.random_case(seed) for seed in seeds]
    return starts(cases), problem_of(cases)


def test_one_compilation_serves_all_edits_seeds_prompts_and_strengths():
    run.clear_cache()
    traces.clear()
    latents = []
    for seed in range(4):
        state, problem = edit(2 * seed, 2 * seed + 1)
        levels = schedule.ddim(6, np.linspace(1, seed, 6))
        final, _ = run(noise.keys(seed, 2), state, levels, problem)
        latents.append(np.asarray(final.z))
    assert len(traces) == 1
    assert all(np.all(latents[0] != other) for other in latents[1:])


def test_a_sample_of_a_batch_equals_the_same_sample_alone():
    state, problem = edit(3, 4)
    both, info = run(KEYS, state, SHORT, problem)
    for i in range(2):
        state, problem = edit(3 + i)
        alone, alone_info = run(noise.keys(8 + i, 1), state, SHORT, problem)
        np.testing.assert_allclose(both.z[i], alone.z[0], rtol=0, atol=1e-5)
        np.testing.assert_allclose(measured(info)[..., i], measured(alone_info)[..., 0], rtol=1e-5)


def test_changing_one_sample_leaves_the_other_as_it_was():
    state, problem = edit(3, 4)
    final, info = run(KEYS, state, SHORT, problem)
    state, problem = edit(5, 4)
    keys = jnp.concatenate([noise.keys(1, 1), noise.keys(9, 1)])
    changed, changed_info = run(keys, state, SHORT, problem)
    assert np.all(np.asarray(final.z[0]) != np.asarray(changed.z[0]))
    np.testing.assert_array_equal(final.z[1], changed.z[1])
    np.testing.assert_array_equal(measured(info)[..., 1], measured(changed_info)[..., 1])


def test_a_run_that_is_stopped_and_continued_equals_the_whole_run():
    state, problem = edit(3, 4)
    whole, info = run(KEYS, state, SHORT, problem)
    half, first = run(KEYS, state, schedule.rows(SHORT, 0, 3), problem)
    assert int(half.steps) == 6
    end, second = run(KEYS, half, schedule.rows(SHORT, 3, 6), problem)
    assert int(end.steps) == int(whole.steps) == 12
    np.testing.assert_array_equal(end.z, whole.z)
    joined = np.concatenate([measured(first), measured(second)], axis=1)
    np.testing.assert_array_equal(joined, measured(info))


def test_a_run_reports_every_level_and_recursion():
    state, problem = edit(3, 4)
    _, info = run(KEYS, state, SHORT, problem)
    assert measured(info).shape == (4, 6, 2, 2)
    assert np.all(np.isfinite(measured(info)))
    assert info.clean.shape == (6, 2, *LATENT)
    flow, color = np.asarray(info.terms.flow), np.asarray(info.terms.color)
    target = problem.edit.target
    expected = np.asarray(target.flow_weight) * flow + np.asarray(target.color_weight) * color
    np.testing.assert_allclose(info.energy, expected, rtol=1e-6)


# Runs whose end is known.


def test_without_guidance_weight_a_run_is_plain_ddim():
    state, problem = edit(3, 4)
    everywhere = problem.edit._replace(keep=jnp.zeros_like(problem.edit.keep))
    problem = problem._replace(strengths=Strengths(jnp.zeros(2), jnp.ones(2)), edit=everywhere)
    final, info = jax.jit(partial(sample.scan, build(recursions=1)))(KEYS, state, SHORT, problem)
    np.testing.assert_array_equal(info.guidance_norm, 0)
    for i, seed in enumerate((3, 4)):
        case = reference.random_case(seed)
        z = case.start
        for row in zip(*(np.asarray(field, np.float64) for field in SHORT[1:]), strict=True):
            level = reference.Level(*row)
            eps = reference.guided(case, z, level)
            clean = (z - np.sqrt(1 - level.alpha) * eps) / np.sqrt(level.alpha)
            z = np.sqrt(level.alpha_prev) * clean + np.sqrt(1 - level.alpha_prev) * eps
        np.testing.assert_allclose(final.z[i], z, rtol=0, atol=1e-5)


@pytest.mark.parametrize("recursions", [1, 3])
def test_the_denoiser_of_one_known_image_ends_in_that_image(recursions):
    def know(known, z, level, _prompt):
        return (z - jnp.sqrt(level.alpha) * known) / jnp.sqrt(1.0 - level.alpha)

    state, problem = edit(3, 4)
    known = jnp.asarray(np.random.default_rng(0).normal(size=state.z.shape), float)
    problem = problem._replace(
        params=problem.params._replace(denoiser=known), edit=problem.edit._replace(source=known)
    )
    unguided = kernel.build(
        know, decode, energies.nothing, kernel.noised_source, noise.gaussian, recursions
    )
    levels = schedule.even(8, start=900)
    final, info = jax.jit(partial(sample.scan, unguided))(KEYS, state, levels, problem)
    np.testing.assert_allclose(final.z, known, rtol=0, atol=1e-6)
    np.testing.assert_allclose(info.clean, jnp.broadcast_to(known, info.clean.shape), atol=2e-5)
    np.testing.assert_array_equal(measured(info), 0)


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_a_result_is_told_once_the_next_has_been_asked_for(count):
    asked = []

    def results():
        for i in range(count):
            asked.append(i)
            yield i

    for told, result in enumerate(sample.delayed(results())):
        assert result == told
        assert asked == list(range(min(told + 2, count)))
    assert asked == list(range(count))


# The loop.


def counting(calls, levels=(0, 1, 2), start=0):
    """A phase that adds 1 a level."""

    def step(level, state):
        calls.append(level)
        return state + 1, None

    return Phase("counting", levels, start, step, lambda state, _info: np.full((1, 1, 1, 3), state))


def twice(calls):
    first = yield counting(calls, range(3))
    second = yield counting(calls, range(5)[::-1], 10 * first)
    return first, second


def test_phases_follow_each_other_and_each_is_sent_the_last_ones_state():
    calls, seen = [], []
    assert sample.run(twice(calls), seen.append) == (3, 35)
    assert calls == [0, 1, 2, 4, 3, 2, 1, 0]
    assert [(one.level, one.done, one.levels) for one in seen[:3]] == [
        (0, 1, 3),
        (1, 2, 3),
        (2, 3, 3),
    ]
    assert [(one.level, one.done, one.levels) for one in seen[3:5]] == [(4, 1, 5), (3, 2, 5)]
    assert [one.state for one in seen] == [1, 2, 3, 31, 32, 33, 34, 35]
    assert [int(one.picture()[0, 0, 0, 0]) for one in seen] == [one.state for one in seen]


def test_a_step_is_seen_once_the_next_has_been_started():
    calls = []
    walk = sample.steps(twice(calls))
    next(walk)
    assert calls == [0, 1]
    walk.close()
    assert calls == [0, 1]


def test_a_run_that_is_stopped_leaves_nothing_open():
    closed = []

    def phases():
        try:
            yield counting([])
        finally:
            closed.append(True)

    def stop(_step):
        raise KeyError("enough")

    with pytest.raises(KeyError):
        sample.run(phases(), stop)
    assert closed == [True]


def test_a_model_without_levels_returns_what_it_has():
    def phases():
        yield from ()
        return 7

    assert sample.run(phases(), lambda _: None) == 7
