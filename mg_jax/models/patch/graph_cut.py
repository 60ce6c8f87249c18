"""Labels for the cells of a picture, so that neighbours meet where it shows least.

A cell has a cost for each label, and a pair of neighbours with different labels one for the seam
between them: the distance, at both cells, of the colours that the two labels give. Found by
expansion moves (Boykov, Veksler & Zabih 2001): for one label at a time, which cells had better take
it, a minimal cut.
"""

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

_SWEEPS = 2
_CHANGE = 0.02  # of label between neighbours, however alike the colours
_UNITS = 1000.0  # a cut's weights are integers


def labels(
    cost: Float[np.ndarray, "n labels"],
    colors: Float[np.ndarray, "n labels 3"],
    pairs: Int[np.ndarray, "p 2"],
) -> Int[np.ndarray, " n"]:
    """A label for each cell; `pairs` are neighbours. Costs and colours in the same units.

    Starts from each cell's cheapest label and never gets worse.
    """
    everyone = np.arange(len(cost))
    first, second = pairs.T
    current = cost.argmin(axis=1)
    best = energy(cost, colors, pairs, current)
    for _ in range(_SWEEPS):
        for label in range(cost.shape[1]):
            switched = np.full(len(pairs), label)
            as_is = _seams(colors, pairs, current[first], current[second])
            one = _seams(colors, pairs, switched, current[second])
            other = _seams(colors, pairs, current[first], switched)
            price = cost[:, label] - cost[everyone, current]
            price += np.bincount(first, one - as_is, len(cost))
            price -= np.bincount(second, one, len(cost))
            taken = cut(price, pairs, np.maximum(one + other - as_is, 0))
            candidate = np.where(taken, label, current)
            reached = energy(cost, colors, pairs, candidate)
            if reached < best:
                best, current = reached, candidate
    return np.asarray(current)


def energy(
    cost: Float[np.ndarray, "n labels"],
    colors: Float[np.ndarray, "n labels 3"],
    pairs: Int[np.ndarray, "p 2"],
    chosen: Int[np.ndarray, " n"],
) -> float:
    """What a labelling costs: its labels and its seams."""
    seams = _seams(colors, pairs, chosen[pairs[:, 0]], chosen[pairs[:, 1]])
    return float(cost[np.arange(len(cost)), chosen].sum() + seams.sum())


def cut(
    price: Float[np.ndarray, " n"],
    pairs: Int[np.ndarray, "p 2"],
    weight: Float[np.ndarray, " p"],
) -> Bool[np.ndarray, " n"]:
    """The x in {0, 1} of least Σ price·x + Σ weight·(1 − x_first)·x_second, weights at least 0."""
    count = len(price)
    everyone = np.arange(count)
    source, sink = np.full(count, count), np.full(count, count + 1)
    rows = np.concatenate([source, everyone, pairs[:, 0]])
    columns = np.concatenate([everyone, sink, pairs[:, 1]])
    capacity = np.concatenate([np.maximum(price, 0), np.maximum(-price, 0), weight])
    graph = sparse.csr_array(
        (np.rint(capacity * _UNITS).astype(np.int32), (rows, columns)), shape=(count + 2, count + 2)
    )
    left = graph - maximum_flow(graph, count, count + 1).flow
    left.data = np.maximum(left.data, 0)
    left.eliminate_zeros()
    chosen = np.ones(count + 2, bool)
    chosen[breadth_first_order(left, count, return_predecessors=False)] = False
    return chosen[:count]


def _seams(
    colors: Float[np.ndarray, "n labels 3"],
    pairs: Int[np.ndarray, "p 2"],
    one: Int[np.ndarray, " p"],
    other: Int[np.ndarray, " p"],
) -> Float[np.ndarray, " p"]:
    """What it costs that the cells of each pair have these two labels."""
    apart = [np.linalg.norm(colors[cell, one] - colors[cell, other], axis=-1) for cell in pairs.T]
    return np.where(one == other, 0.0, sum(apart) + _CHANGE)
