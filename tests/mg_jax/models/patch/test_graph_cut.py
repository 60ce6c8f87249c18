"""Labelling: cuts and two labels are exact, more labels never get worse."""

import itertools

import numpy as np
import pytest

from mg_jax.models.patch import graph_cut

ROWS, COLUMNS = 3, 4
COUNT = ROWS * COLUMNS
INDEX = np.arange(COUNT).reshape(ROWS, COLUMNS)
PAIRS = np.concatenate(
    [
        np.stack([INDEX[:, :-1].ravel(), INDEX[:, 1:].ravel()], axis=-1),
        np.stack([INDEX[:-1].ravel(), INDEX[1:].ravel()], axis=-1),
    ]
)


@pytest.mark.parametrize("seed", range(5))
def test_a_cut_is_the_least_of_all_choices(seed):
    rng = np.random.default_rng(seed)
    price = rng.normal(size=COUNT).round(2)
    weight = rng.uniform(0, 1, len(PAIRS)).round(2)

    def value(x):
        return price @ x + weight @ ((1 - x[PAIRS[:, 0]]) * x[PAIRS[:, 1]])

    best = min(value(np.array(x)) for x in itertools.product([0, 1], repeat=COUNT))
    assert value(graph_cut.cut(price, PAIRS, weight).astype(int)) == pytest.approx(best, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_of_two_labels_the_best_labelling_is_found(seed):
    rng = np.random.default_rng(seed)
    cost = rng.uniform(0, 1, (COUNT, 2))
    colors = rng.uniform(0, 0.4, (COUNT, 2, 3))
    best = min(
        graph_cut.energy(cost, colors, PAIRS, np.array(x))
        for x in itertools.product([0, 1], repeat=COUNT)
    )
    found = graph_cut.labels(cost, colors, PAIRS)
    # Weights are rounded to a thousandth each.
    assert graph_cut.energy(cost, colors, PAIRS, found) <= best + 0.02


@pytest.mark.parametrize("seed", range(3))
def test_it_never_gets_worse_than_each_cell_for_itself(seed):
    rng = np.random.default_rng(seed)
    cost = rng.uniform(0, 1, (COUNT, 7))
    colors = rng.uniform(-1, 1, (COUNT, 7, 3))
    found = graph_cut.labels(cost, colors, PAIRS)
    alone = graph_cut.energy(cost, colors, PAIRS, cost.argmin(axis=1))
    assert graph_cut.energy(cost, colors, PAIRS, found) < alone


def test_where_all_labels_look_alike_each_cell_takes_its_cheapest_but_for_the_change():
    cost = np.zeros((COUNT, 2))
    cost[:, 1] = -1.0
    cost[5] = [-10.0, 0.0]
    found = graph_cut.labels(cost, np.zeros((COUNT, 2, 3)), PAIRS)
    np.testing.assert_array_equal(found, np.arange(COUNT) != 5)
