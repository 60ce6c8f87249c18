"""Schedules: the reference's times and ᾱ, and the refusal of arguments that make none."""

import jax
import numpy as np
import pytest

from mg_jax import schedule

ALPHAS = schedule.stable_diffusion_alphas()


def test_stable_diffusions_alphas_are_the_products_of_its_betas():
    root = np.linspace(np.sqrt(0.00085), np.sqrt(0.0120), 1000)
    product = 1.0
    for i, beta in enumerate(root * root):
        product *= 1 - beta
        np.testing.assert_allclose(ALPHAS[i], product, rtol=1e-12)
    assert ALPHAS[0] == pytest.approx(1 - 0.00085)
    assert ALPHAS[-1] == pytest.approx(0.00466, abs=1e-5)


def test_five_hundred_ddim_levels_are_the_references():
    levels = schedule.ddim(500)
    np.testing.assert_array_equal(levels.position, np.arange(500))
    np.testing.assert_array_equal(levels.t, np.arange(999, 0, -2))
    np.testing.assert_array_equal(levels.alpha, ALPHAS[999::-2].astype(np.float32))
    np.testing.assert_array_equal(levels.alpha_prev[:-1], levels.alpha[1:])
    assert levels.alpha_prev[-1] == np.float32(ALPHAS[0])
    np.testing.assert_array_equal(levels.ramp, 1)


@pytest.mark.parametrize("count", [1, 50, 125, 200])
def test_lengths_that_divide_1000_have_the_references_times(count):
    times = np.arange(0, 1000, 1000 // count)[::-1] + 1
    np.testing.assert_array_equal(schedule.ddim(count).t, times)


@pytest.mark.parametrize(
    "levels",
    [schedule.ddim(n) for n in (7, 300, 400, 999)] + [schedule.even(n, 900) for n in (1, 40, 900)],
    ids=lambda levels: f"{levels.t.size}",
)
def test_noise_falls_from_level_to_level(levels):
    assert levels.t.size == levels.alpha.size == levels.alpha_prev.size == levels.ramp.size
    times = np.asarray(levels.t)
    assert np.all(np.diff(times) < 0)
    assert times[0] <= 999
    assert times[-1] >= 1
    np.testing.assert_allclose(levels.alpha, ALPHAS[times.astype(int)], rtol=1e-7)
    assert np.all(np.asarray(levels.alpha_prev) > np.asarray(levels.alpha))
    np.testing.assert_array_equal(levels.alpha_prev[:-1], levels.alpha[1:])


@pytest.mark.parametrize("count", [300, 400, 600, 999])
def test_lengths_that_do_not_divide_1000_reach_the_noisiest_times_too(count):
    assert 1000 - schedule.ddim(count).t[0] <= 1000 / count


def test_even_levels_begin_at_the_start_and_end_in_the_clean_image():
    levels = schedule.even(10, start=901)
    np.testing.assert_array_equal(levels.t, np.arange(901, 0, -100))
    assert levels.alpha_prev[-1] == 1


def test_a_ramp_rides_along():
    ramp = np.linspace(2, 0, 25)
    np.testing.assert_allclose(schedule.ddim(25, ramp).ramp, ramp, rtol=1e-6)


def test_rows_are_levels_that_remember_their_position():
    levels = schedule.ddim(20)
    part = schedule.rows(levels, 5, 8)
    np.testing.assert_array_equal(part.position, [5, 6, 7])
    jax.tree.map(lambda whole, some: np.testing.assert_array_equal(whole[5:8], some), levels, part)
    joined = jax.tree.map(lambda *parts: np.concatenate(parts), schedule.rows(levels, 0, 5), part)
    np.testing.assert_array_equal(joined.t, levels.t[:8])


def test_fields_are_float32_unless_jax_is_told_otherwise():
    assert {field.dtype.name for field in schedule.ddim(4)[1:]} == {"float32"}
    with jax.enable_x64(True):
        exact = schedule.ddim(4)
        assert {field.dtype.name for field in exact[1:]} == {"float64"}
        np.testing.assert_array_equal(exact.alpha, ALPHAS[[751, 501, 251, 1]])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: schedule.ddim(0), "levels: 0 is outside 1..999"),
        (lambda: schedule.ddim(1000), "levels: 1000 is outside 1..999"),
        (lambda: schedule.ddim(5, np.ones(4)), "ramp: 4 values for 5 levels"),
        (lambda: schedule.even(0, 900), "levels, start: 0, 900"),
        (lambda: schedule.even(11, 10), "levels, start: 11, 10"),
        (lambda: schedule.even(10, 1000), "levels, start: 10, 1000"),
        (lambda: schedule.from_times(np.array([5, 5, 1]), 1.0), "strictly falling"),
        (lambda: schedule.from_times(np.array([1, 5]), 1.0), "strictly falling"),
        (lambda: schedule.from_times(np.array([1000, 5]), 1.0), r"leave \[0, 1000\)"),
        (lambda: schedule.from_times(np.array([5, -1]), 1.0), r"leave \[0, 1000\)"),
        (lambda: schedule.from_times(np.array([], np.int64), 1.0), "times"),
    ],
)
def test_arguments_that_make_no_schedule_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
