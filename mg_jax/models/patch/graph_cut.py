"""Label a picture's cells by graph cuts, so that seams between labels show least.

A cell has a cost for each label, and a pair of neighbours with different labels one for the seam
between them: the distance, at both cells, of the colours that the two labels give. Solved by
expansion moves (Boykov, Veksler & Zabih 2001): for one label at a time, a minimal cut finds the
cells that should switch to it.
"""

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

_SWEEPS = 2
_CHANGE = 0.02  # cost of two labels between neighbours, even with equal colours
_UNITS = 1000.0  # factor with which a cut's weights are rounded to integers


def labels(
    cost: Float[np.ndarray, "n labels"],
    colors: Float[np.ndarray, "n labels c"],
    pairs: Int[np.ndarray, "p 2"],
) -> Int[np.ndarray, " n"]:
    """Choose a label for each cell; `pairs` are neighbours. Costs and colours have the same units.

    Starts from each cell's cheapest label; no move increases the total cost.
    """
    everyone = np.arange(len(cost))
    first, second = pairs.T
    current = cost.argmin(axis=1)
    best = energy(cost, colors, pairs, current)
    for _ in range(_SWEEPS):
        for label in range(cost.shape[1]):
            switched = np.full(len(pairs), label)
            as_is = _seams(colors, pairs, current[first], current[second])
            first_switched = _seams(colors, pairs, switched, current[second])
            second_switched = _seams(colors, pairs, current[first], switched)
            price = cost[:, label] - cost[everyone, current]
            price += np.bincount(first, first_switched - as_is, len(cost))
            price -= np.bincount(second, first_switched, len(cost))
            taken = cut(price, pairs, np.maximum(first_switched + second_switched - as_is, 0))
            candidate = np.where(taken, label, current)
            reached = energy(cost, colors, pairs, candidate)
            if reached < best:
                best, current = reached, candidate
    return np.asarray(current)


def energy(
    cost: Float[np.ndarray, "n labels"],
    colors: Float[np.ndarray, "n labels c"],
    pairs: Int[np.ndarray, "p 2"],
    chosen: Int[np.ndarray, " n"],
) -> float:
    """Total cost of a labelling: labels and seams."""
    seams = _seams(colors, pairs, chosen[pairs[:, 0]], chosen[pairs[:, 1]])
    return float(cost[np.arange(len(cost)), chosen].sum() + seams.sum())


def cut(
    price: Float[np.ndarray, " n"],
    pairs: Int[np.ndarray, "p 2"],
    weight: Float[np.ndarray, " p"],
) -> Bool[np.ndarray, " n"]:
    """Minimise Σ price·x + Σ weight·(1 − x_first)·x_second over x in {0, 1}; weights ≥ 0."""
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
    colors: Float[np.ndarray, "n labels c"],
    pairs: Int[np.ndarray, "p 2"],
    left: Int[np.ndarray, " p"],
    right: Int[np.ndarray, " p"],
) -> Float[np.ndarray, " p"]:
    """Cost of the seam in each pair, if its cells have the labels `left` and `right`."""
    apart = [np.linalg.norm(colors[cell, left] - colors[cell, right], axis=-1) for cell in pairs.T]
    return np.where(left == right, 0.0, sum(apart) + _CHANGE)
