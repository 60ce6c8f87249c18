"""The bar shows the phase, and what of it is done."""

import io

import pytest
from tqdm import tqdm

from mg_jax import progress
from mg_jax.sample import Step


def step(phase, done, levels=10):
    return Step(phase, done - 1, done, levels, None, None, lambda: None)


@pytest.fixture
def bar():
    with tqdm(desc="compiling", file=io.StringIO()) as bar:
        yield bar


def test_each_phase_starts_the_bar_again(bar):
    for done in (1, 2, 3):
        progress.show(bar, step("null_text", done, 3))
    assert (bar.desc, bar.n, bar.total) == ("null-text", 3, 3)
    progress.show(bar, step("sampling", 1))
    assert (bar.desc, bar.n, bar.total) == ("sampling", 1, 10)


def test_a_phase_that_goes_on_starts_where_it_was_stopped(bar):
    progress.show(bar, step("sampling", 7))
    assert (bar.desc, bar.n, bar.total, bar.initial) == ("sampling", 7, 10, 6)
    progress.show(bar, step("sampling", 8))
    assert (bar.n, bar.initial) == (8, 6)
