"""A block of pixels, and the flows of its motions."""

import numpy as np

from flows import motions

H, W = 40, 50


def block(rows=(10, 20), columns=(12, 26)):
    mask = np.zeros((H, W), bool)
    mask[slice(*rows), slice(*columns)] = True
    return mask


def field(text, mask=None):
    return motions.field(motions.parse(text), block() if mask is None else mask)


def middle(mask):
    y, x = np.nonzero(mask)
    return np.array([x.mean(), y.mean()])


def goal(text, x, y, mask=None):
    """Where a motion takes one pixel."""
    return np.array([x, y]) + field(text, mask)[y, x]
