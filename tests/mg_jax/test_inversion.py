"""Inversion: closed forms first, then the tiny Stable Diffusion and the patch denoiser."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flows import masks, motions
from flows.motion import Motion
from flows.nn import tracing
from mg_jax import energies, inversion, kernel, noise, prompting, sample, schedule
from mg_jax.models.patch import denoiser, layers, patch_sources
from mg_jax.models.patch.motion import LayeredMotion
from mg_jax.models.patch.settings import PatchSettings, stages
from mg_jax.models.patch.stage import prepare
from mg_jax.models.stable_diffusion import networks
from mg_jax.models.stable_diffusion.config import TINY
from mg_jax.models.stable_diffusion.unet import UNet
from mg_jax.prompting import Prompt
from mg_jax.types import Edit, Params, Problem, Strengths, Target

from .. import drawing

SHAPE = (2, 3, 4, 2)
X = jnp.asarray(drawing.inputs(0, *SHAPE))
DEVIATION = jnp.linspace(0.2, 2.0, 24).reshape(1, 3, 4, 2)
ALPHA_0 = float(schedule.stable_diffusion_alphas()[0])


def gaussian(deviation, z, level, _prompt):
    """Exact ε of data that are normal round 0."""
    return z * jnp.sqrt(1 - level.alpha) / variance(deviation, level.alpha)


def variance(deviation, alpha):
    return alpha * jnp.square(deviation) + 1 - alpha


def bent(params, z, level, prompt):
    """A denoiser that is not linear, and depends on time and prompt."""
    return params * jnp.tanh(z + jnp.roll(z, 1, axis=2) + level.t / 1000) + prompt


def told(params, z, level, embedding):
    """The same, with a prompt [b n d] as text embeddings are."""
    return bent(params, z, level, jnp.sin(embedding).mean(1)[:, None, None, :])


@functools.cache
def inverted(denoise):
    return jax.jit(functools.partial(inversion.invert, denoise), static_argnums=4)


@functools.cache
def sampled(denoise):
    return jax.jit(functools.partial(inversion.sample, denoise))


@functools.cache
def null_text(denoise, iterations):
    return jax.jit(functools.partial(inversion.null_text, denoise, iterations=iterations))


def psnr(found, expected):
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    return 10 * np.log10(np.ptp(expected) ** 2 / np.mean((found - expected) ** 2))


def gap(denoise, params, prompt, levels, iterations, x=X):
    """PSNR of what comes back from an inversion along so many levels."""
    rows = schedule.ddim(levels)
    path = inverted(denoise)(params, x, rows, prompt, iterations)
    return psnr(sampled(denoise)(params, path[0], rows, prompt), x)


# Inversion.


def test_noise_that_is_known_gives_the_latents_in_closed_form():
    rows, eps = schedule.ddim(7), jnp.asarray(drawing.inputs(1, *SHAPE))
    path = inverted(lambda _params, _z, _level, eps: eps)((), X, rows, eps, 1)
    clean = (X - np.sqrt(1 - ALPHA_0) * eps) / np.sqrt(ALPHA_0)
    alpha = np.asarray(rows.alpha)[:, None, None, None, None]
    expected = np.sqrt(alpha) * clean[None] + np.sqrt(1 - alpha) * eps[None]
    np.testing.assert_allclose(path, expected, rtol=0, atol=1e-5)


def test_a_plain_step_asks_at_the_cleaner_latent_with_the_noisier_levels_time():
    """Transcription of the reference's loop, which goes from clean to noisy."""
    rows = schedule.ddim(6)
    times, alphas = np.asarray(rows.t)[::-1], np.asarray(rows.alpha)[::-1]
    z, before, stored = np.asarray(X), ALPHA_0, []
    for t, alpha in zip(times, alphas, strict=True):
        eps = 0.5 * np.tanh(z + np.roll(z, 1, axis=2) + t / 1000) + 0.1
        z = np.sqrt(alpha / before) * (z - np.sqrt(1 - before) * eps) + np.sqrt(1 - alpha) * eps
        before = alpha
        stored.append(z)
    path = inverted(bent)(jnp.float32(0.5), X, rows, jnp.float32(0.1), 1)
    np.testing.assert_allclose(path, stored[::-1], rtol=0, atol=1e-5)


@pytest.mark.parametrize("iterations", [1, 3])
def test_rows_come_to_the_exact_latents_of_their_levels_as_steps_become_small(iterations):
    errors = []
    for levels in (50, 200, 800):
        rows = schedule.ddim(levels)
        path = inverted(gaussian)(DEVIATION, X, rows, (), iterations)
        alpha = rows.alpha[:, None, None, None, None]
        growth = jnp.sqrt(variance(DEVIATION[None], alpha) / variance(DEVIATION[None], ALPHA_0))
        exact = X[None] * growth
        errors.append(float(jnp.max(jnp.abs(path - exact)) / jnp.max(jnp.abs(exact))))
    assert errors[0] > 3 * errors[1] > 9 * errors[2]
    assert errors[2] < 0.02


def test_what_comes_back_is_nearer_with_more_levels_and_with_more_iterations():
    plain = [gap(bent, jnp.float32(0.5), jnp.float32(0.1), n, 1) for n in (10, 50, 200)]
    refined = [gap(bent, jnp.float32(0.5), jnp.float32(0.1), 50, n) for n in (1, 2, 3)]
    assert min(np.diff(plain)) > 5
    assert min(np.diff(refined)) > 10


def test_enough_iterations_come_back_exactly():
    rows = schedule.ddim(10)
    path = inverted(bent)(jnp.float32(0.5), X, rows, jnp.float32(0.1), 30)
    back = sampled(bent)(jnp.float32(0.5), path[0], rows, jnp.float32(0.1))
    np.testing.assert_allclose(back, X, rtol=0, atol=2e-4)
    for i in range(9):
        row = jax.tree.map(lambda field: field[i], rows)  # noqa: B023
        down = kernel.ddim(path[i], bent(jnp.float32(0.5), path[i], row, jnp.float32(0.1)), row)
        np.testing.assert_allclose(down, path[i + 1], rtol=0, atol=1e-4)


def test_an_inversion_cut_in_two_is_the_whole():
    rows, args = schedule.ddim(8), (jnp.float32(0.1), 2)
    whole = inverted(bent)(jnp.float32(0.5), X, rows, *args)
    below = inverted(bent)(jnp.float32(0.5), X, schedule.rows(rows, 5, 8), *args)
    above = inverted(bent)(jnp.float32(0.5), below[0], schedule.rows(rows, 0, 5), *args)
    np.testing.assert_allclose(np.concatenate([above, below]), whole, rtol=0, atol=1e-6)


def test_iterations_begin_at_one():
    prompt = Prompt(jnp.zeros((2, 1, 2)), jnp.zeros((2, 1, 2)), jnp.ones(2))
    path, rows = jnp.zeros((3, *SHAPE)), schedule.ddim(3)
    with pytest.raises(ValueError, match=r"^iterations: 0; expected at least 1$"):
        inversion.invert(gaussian, DEVIATION, X, rows, (), 0)
    with pytest.raises(ValueError, match=r"^iterations: 0; expected at least 1$"):
        inversion.null_text(told, jnp.float32(1), path, X, rows, prompt, 0, 0.1)


# Embeddings for each level.

LEVELS = 12
ROWS = schedule.ddim(LEVELS)
CONDITIONAL = jnp.asarray(drawing.inputs(2, 2, 5, 2))
EMPTY = CONDITIONAL + 0.3 * jnp.asarray(drawing.inputs(3, 2, 5, 2))
PROMPT = Prompt(EMPTY, CONDITIONAL, jnp.asarray([7.5, 3.0]))
SCALE = jnp.float32(0.5)
GUIDED = prompting.classifier_free(told)
OF_LEVEL = inversion.per_level(GUIDED)
EACH = PROMPT._replace(unconditional=jnp.asarray(drawing.inputs(4, LEVELS, 2, 5, 2)))


def unguided(denoise, prompt):
    """A run of the kernel without guidance, from X."""
    image, one = jnp.zeros((2, 2, 2, 3)), jnp.ones(2)
    target = Target(image, jnp.zeros((2, 2, 2, 2)), image[..., :1], (), one, one, one)
    keep = jnp.zeros((2, 3, 4, 1), bool)
    problem = Problem(
        Params(SCALE, (), ()),
        Edit(X, keep, jnp.ones(keep.shape), target),
        Strengths(one, one),
        prompt,
    )
    of = kernel.build(
        denoise, lambda *_: image, energies.nothing, kernel.noised_source, noise.gaussian, 1
    )
    program = jax.jit(functools.partial(sample.scan, of))
    return program(noise.keys(0, 2), kernel.init(X), ROWS, problem)[0].z


def test_the_kernel_reads_the_embedding_of_its_level():
    expected = X
    for i in range(LEVELS):
        row = jax.tree.map(lambda field: field[i], ROWS)  # noqa: B023
        own = PROMPT._replace(unconditional=EACH.unconditional[i])
        expected = kernel.ddim(expected, GUIDED(SCALE, expected, row, own), row)
    found = unguided(OF_LEVEL, EACH)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
    np.testing.assert_allclose(sampled(OF_LEVEL)(SCALE, X, ROWS, EACH), expected, rtol=0, atol=1e-4)


def test_equal_embeddings_at_all_levels_are_the_plain_prompt():
    same = PROMPT._replace(unconditional=jnp.broadcast_to(EMPTY[None], (LEVELS, *EMPTY.shape)))
    np.testing.assert_array_equal(unguided(OF_LEVEL, same), unguided(GUIDED, PROMPT))


def test_a_level_without_embedding_is_not_a_number():
    short = EACH._replace(unconditional=EACH.unconditional[:-1])
    assert np.isnan(unguided(OF_LEVEL, short)).all()


# Null-text optimisation.


@functools.cache
def followed(iterations=10):
    """The trajectory, and what optimisation made of it."""
    path = inverted(told)(SCALE, X, ROWS, CONDITIONAL, 3)
    rate = jnp.float32(0.03)
    return path, null_text(told, iterations)(SCALE, path, X, ROWS, PROMPT, learning_rate=rate)


def test_null_text_brings_guided_sampling_back_to_the_photo():
    path, found = followed()
    guided = psnr(sampled(GUIDED)(SCALE, path[0], ROWS, PROMPT), X)
    assert psnr(found.latent, X) > guided + 10


def test_its_embeddings_lead_where_it_says():
    path, found = followed()
    each = PROMPT._replace(unconditional=found.unconditional)
    back = sampled(OF_LEVEL)(SCALE, path[0], ROWS, each)
    np.testing.assert_allclose(back, found.latent, rtol=0, atol=1e-5)


@pytest.mark.parametrize("rate", [0.01, 100.0])
def test_no_level_ends_farther_off_than_it_would_without(rate):
    path, _ = followed()
    one, row = schedule.rows(ROWS, 0, 1), path[1]
    found = null_text(told, 10)(SCALE, path[:1], row, one, PROMPT, learning_rate=jnp.float32(rate))
    before = sampled(GUIDED)(SCALE, path[0], one, PROMPT)

    def error(z):
        return np.mean(np.square(np.asarray(z - row)), axis=(1, 2, 3))

    assert (error(found.latent) <= error(before) * (1 + 1e-6)).all()


def test_a_level_begins_with_the_embedding_of_the_one_before_and_a_cut_changes_nothing():
    path, whole = followed()
    first = null_text(told, 10)(
        SCALE, path[:5], path[5], schedule.rows(ROWS, 0, 5), PROMPT, learning_rate=jnp.float32(0.03)
    )
    rest = jnp.concatenate([first.latent[None], path[6:]])
    warm = PROMPT._replace(unconditional=first.unconditional[-1])
    second = null_text(told, 10)(
        SCALE, rest, X, schedule.rows(ROWS, 5, LEVELS), warm, learning_rate=jnp.float32(0.03)
    )
    joined = np.concatenate([first.unconditional, second.unconditional])
    np.testing.assert_allclose(joined, whole.unconditional, rtol=0, atol=1e-4)
    np.testing.assert_allclose(second.latent, whole.latent, rtol=0, atol=1e-4)


def test_samples_do_not_interact():
    path, both = followed()
    alone = null_text(told, 10)(
        SCALE,
        path[:, 1:],
        X[1:],
        ROWS,
        Prompt(*(leaf[1:] for leaf in PROMPT)),
        learning_rate=jnp.float32(0.03),
    )
    np.testing.assert_allclose(alone.latent, both.latent[1:], rtol=0, atol=1e-4)


# The tiny Stable Diffusion. Figures of a trained one need its weights.

NET = networks.build(TINY, "float32", "nothing")
LATENT = jnp.asarray(drawing.inputs(5, 1, 4, 4, 4))
TEXT = jnp.asarray(drawing.inputs(6, 1, 8, 32))


@functools.cache
def unet():
    return drawing.build(
        lambda: UNet(TINY.unet, dtype="float32", remat="nothing", rngs=tracing.rngs())
    )[1]


def stepwise(levels, iterations):
    """As `gap`, of the tiny network, level by level: one compilation for all numbers of levels."""
    rows, z = schedule.ddim(levels), LATENT
    steps = [schedule.rows(rows, i, i + 1) for i in range(levels)]
    for row in reversed(steps):
        z = inverted(NET.denoise)(unet(), z, row, TEXT, iterations)[0]
    for row in steps:
        z = sampled(NET.denoise)(unet(), z, row, TEXT)
    return psnr(z, LATENT)


@pytest.mark.long
def test_the_tiny_networks_photo_comes_back_the_better_the_more_levels():
    found = [stepwise(levels, 1) for levels in (10, 50, 200)]
    refined = [stepwise(levels, 3) for levels in (10, 50)]
    assert min(np.diff(found)) > 4
    assert found[-1] > 25
    assert refined[0] > found[0] + 8
    assert refined[1] > found[1] + 20


@pytest.mark.long
def test_null_text_mends_the_tiny_networks_drift_under_guidance():
    rows = schedule.ddim(6)
    path = inverted(NET.denoise)(unet(), LATENT, rows, TEXT, 3)
    empty = TEXT + 0.1 * jnp.asarray(drawing.inputs(7, *TEXT.shape))
    prompt = Prompt(empty, TEXT, jnp.full(1, 7.5))
    drift = psnr(
        sampled(prompting.classifier_free(NET.denoise))(unet(), path[0], rows, prompt), LATENT
    )
    found = null_text(NET.denoise, 10)(
        unet(), path, LATENT, rows, prompt, learning_rate=jnp.float32(0.03)
    )
    assert psnr(found.latent, LATENT) > drift + 6


# The patch denoiser.


@functools.cache
def stage(levels):
    """The denoiser, clean latent, rows and region of a disc's motion."""
    height, width = 96, 144
    y, x = np.mgrid[:height, :width]
    photo = np.stack([np.sin(y / 9) * np.cos(x / 7), np.cos(x / 11), np.sin((x + y) / 13)], -1)
    photo = photo.astype(np.float32)
    flow = motions.field(motions.parse("translate dx=30 dy=0"), np.hypot(y - 48, x - 56) < 20)
    moving = masks.solid(flow)
    motion = LayeredMotion(flow, moving, masks.destination(flow), layers.order(moving))
    settings = PatchSettings(size=256, steps=levels, recursions=1)
    ready = prepare(
        stages(settings)[0],
        settings,
        photo,
        motion,
        Motion(flow).near(4.0),
        patch_sources.views(photo, motion, (32, 32)),
        np.ones(levels),
        {},
        lambda _, seen: seen.mean(),
    )
    edit = ready.problem.edit
    return ready.problem.params.denoiser, edit.source, ready.schedule, ~np.asarray(edit.keep)


@pytest.mark.slow
def test_the_patch_denoiser_is_of_the_edit_and_the_photo_before_it_does_not_come_back():
    """Its patches say what lies where once the object has gone: the photo is no likely picture.

    Where nothing changes, it is the photo in any case.
    """
    params, x, rows, inside = stage(24)
    path = inverted(denoiser.denoise)(params, x, rows, (), 1)
    found = sampled(denoiser.denoise)(params, path[0], rows, ())
    region = inside[..., 0]
    assert np.isfinite(found).all()
    assert psnr(np.asarray(found)[~region], np.asarray(x)[~region]) > 60
    assert psnr(np.asarray(found)[region], np.asarray(x)[region]) < 30
