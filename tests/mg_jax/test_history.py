"""Histories: a row an evaluation, in the order of the run, terms under their names."""

import jax.numpy as jnp
import numpy as np

from mg_jax import history
from mg_jax.sample import Step
from mg_jax.types import Info, Terms


def step(start, level, recursions, terms=Terms, samples=2):
    """Of a level that ran alone; every number is another."""
    count = recursions * samples
    numbers = start + jnp.arange(count, dtype=jnp.float32).reshape(1, recursions, samples)
    found = terms(numbers + 100, numbers + 200)
    info = Info(numbers, found, numbers + 300, jnp.zeros((1, samples, 2, 2, 3)))
    return Step("sampling", level, 1, 9, info, (), lambda: np.zeros(0))


def nested(one, other):
    return {"squares": one, "points": [other, one]}


def test_samples_are_columns():
    whole = history.joined([history.of_step(step(0, 7, 3, samples=4))], 4)
    some = history.of_samples(whole, 1, 2)
    np.testing.assert_array_equal(some.level, whole.level)
    np.testing.assert_array_equal(some.energy, whole.energy[:, 1:3])
    np.testing.assert_array_equal(some.terms["flow"], whole.terms["flow"][:, 1:3])
    np.testing.assert_array_equal(some.guidance_norm, whole.guidance_norm[:, 1:3])


def test_rows_follow_each_other():
    whole = history.joined([history.of_step(step(0, 7, 3)), history.of_step(step(10, 8, 1))], 2)
    np.testing.assert_array_equal(whole.level, [7, 7, 7, 8])
    np.testing.assert_array_equal(whole.recursion, [0, 1, 2, 0])
    np.testing.assert_array_equal(whole.energy, [[0, 1], [2, 3], [4, 5], [10, 11]])
    assert list(whole.terms) == ["flow", "color"]
    values = (whole.terms["flow"], whole.terms["color"], whole.guidance_norm)
    for field, more in zip(values, (100, 200, 300), strict=True):
        np.testing.assert_array_equal(field, whole.energy + more)


def test_terms_of_any_form_are_named_and_nan_where_an_energy_had_none():
    parts = [history.of_step(step(0, 0, 1, nested)), history.of_step(step(5, 1, 1))]
    whole = history.joined(parts, 2)
    assert set(whole.terms) == {"squares", "points.0", "points.1", "flow", "color"}
    np.testing.assert_array_equal(whole.terms["points.0"], [[200, 201], [np.nan, np.nan]])
    np.testing.assert_array_equal(whole.terms["flow"], [[np.nan, np.nan], [105, 106]])


def test_a_level_that_nothing_guides_has_no_rows():
    assert history.of_step(step(0, 0, 1)._replace(info=None)) is None
    empty = history.joined([], 3)
    assert (empty.energy.shape, empty.level.shape, empty.terms) == ((0, 3), (0,), {})


def test_a_history_is_read_as_it_was_written(tmp_path):
    whole = history.joined([history.of_step(step(0, 7, 3, nested))], 2)
    history.write(tmp_path / "history.npz", whole)
    back = history.read(tmp_path / "history.npz")
    assert back.terms.keys() == whole.terms.keys()
    for name, values in whole.terms.items():
        np.testing.assert_array_equal(back.terms[name], values)
    for one, other in zip(back[:4], whole[:4], strict=True):
        np.testing.assert_array_equal(one, other)
