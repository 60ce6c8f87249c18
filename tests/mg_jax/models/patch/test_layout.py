"""Layout: which colour belongs where in a hole, told by what is around it alone."""

import numpy as np
import pytest

from mg_jax.models.patch.layout import layout

H, W = 96, 112
Y, X = np.mgrid[:H, :W]
HOLE = (np.abs(Y - 48) < 18) & (np.abs(X - 56) < 20)
RED, BLUE = np.array([0.8, -0.8, -0.8]), np.array([-0.8, -0.8, 0.8])
NOISE = np.random.default_rng(0).uniform(-0.1, 0.1, (H, W, 3))


def found(picture, hole=HOLE, known=None):
    return layout(picture, ~hole if known is None else known, hole)


def test_one_colour_goes_on():
    picture = np.broadcast_to(RED, (H, W, 3))
    np.testing.assert_allclose(found(picture), picture, atol=1e-6)


@pytest.mark.parametrize("side", [X < 56, Y < 40, X + Y < 100])
def test_an_edge_goes_on_through_the_hole(side):
    """As the means of what is around do not: half a hole's width from the edge they are purple."""
    picture = np.where(side[..., None], RED, BLUE) + NOISE
    apart = np.linalg.norm(found(picture) - picture, axis=-1)
    wrong = apart > 0.5 * np.linalg.norm(RED - BLUE)
    assert wrong[HOLE].mean() < 0.1


def test_a_thing_that_only_touches_the_hole_does_not_grow_into_it():
    """Before a wall everywhere else a dark beam ends at the hole."""
    beam = (np.abs(Y - 48) < 6) & (X < 40)
    picture = np.where(beam[..., None], -0.8, 0.6) + NOISE
    deep = HOLE & (X > 52)
    assert (found(picture)[deep] > 0).all()


def test_what_is_in_the_hole_does_not_matter():
    one, other = (np.where(HOLE[..., None], value, NOISE) for value in (0.5, -1.0))
    np.testing.assert_array_equal(found(one), found(other))


def test_nor_does_what_is_not_known():
    unknown = HOLE | (X > 90)
    one, other = (np.where(unknown[..., None], value, NOISE) for value in (0.5, -1.0))
    np.testing.assert_array_equal(found(one, known=~unknown), found(other, known=~unknown))


@pytest.mark.parametrize("known", [X < 3, X < 0, (X == 5) & (Y == 5)])
def test_with_hardly_anything_known_it_is_finite(known):
    assert np.isfinite(layout(NOISE, known, HOLE & ~known)).all()
