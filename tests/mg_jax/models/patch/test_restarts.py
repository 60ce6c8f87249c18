"""What is sampled again: all that is astray and what lies round it, and nothing else."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from mg_jax.models.patch import restarts

from .test_matching import HOME, PLACES, REGION, H, W, field, weights

WIDE = 2 * round(restarts._ROUND * (H * W) ** 0.5) + 1


def astray(missing, cover=1.0):
    """What is, where content that covers so much of each cell of the region is missing."""
    params = weights()
    pixels = np.asarray(params.pixels[0])
    inside = (pixels < [H, W]).all(axis=-1)
    covered = np.zeros((H, W))
    covered[REGION] = 1.0
    covered[missing] = cover
    lands = np.where(inside, covered[tuple(np.minimum(pixels, [H - 1, W - 1]).T)], 0)[None]
    matches = np.where(missing[..., None], field((3, -4)), field())
    params = params._replace(lands=jnp.asarray(16 * lands, jnp.float32))
    return np.asarray(restarts.astray(params, PLACES, HOME[0], jnp.asarray(matches)))


def block(rows, columns):
    mask = np.zeros((H, W), bool)
    mask[rows, columns] = True
    return mask


def test_where_all_has_arrived_nothing_is():
    assert not astray(np.zeros((H, W), bool)).any()


@pytest.mark.parametrize("cover", [1.0, 0.3])
def test_what_is_missing_is_with_what_lies_round_it(cover):
    missing = block(slice(4, 8), slice(6, 12))
    counted = missing if cover > 0.5 else ndimage.binary_erosion(missing, np.ones((3, 3)))
    wanted = ndimage.binary_dilation(counted, np.ones((WIDE, WIDE)))
    np.testing.assert_array_equal(astray(missing, cover), wanted)


def test_a_rim_beside_what_has_arrived_is_not():
    assert not astray(block(slice(4, 5), slice(6, 12)), cover=0.3).any()


@pytest.mark.parametrize(("rows", "again"), [(3, True), (4, False)])
def test_where_most_is_missing_there_is_nothing_to_complete(rows, again):
    top = np.argwhere(REGION)[0, 0]
    missing = REGION & block(slice(top, top + rows), slice(None))
    assert (2 * missing.sum() <= REGION.sum()) == again
    assert astray(missing).any() == again


def test_what_lands_nowhere_is_not():
    assert not astray(block(slice(4, 8), slice(6, 12)), cover=0.0).any()
