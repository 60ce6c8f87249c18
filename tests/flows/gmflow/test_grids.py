"""Windows are those of training where the picture is, and never too small."""

import numpy as np
import pytest

from flows import gmflow
from flows.gmflow.grids import grid
from flows.gmflow.positions import encoding

COARSE, FINE = gmflow.REFINED.scales


@pytest.mark.parametrize("scale", [COARSE, FINE], ids=["coarse", "fine"])
def test_in_a_picture_as_in_training_nothing_is_fitted(scale):
    size = 320 // scale.stride, 896 // scale.stride
    assert grid(scale, *size, "picture") == grid(scale, *size, "published")


@pytest.mark.parametrize(
    ("side", "coarse", "fine"), [(64, 1, 2), (128, 1, 4), (160, 1, 4), (256, 2, 8), (1024, 2, 8)]
)
def test_small_pictures_have_fewer_windows(side, coarse, fine):
    for scale, splits in ((COARSE, coarse), (FINE, fine)):
        size = side // scale.stride
        down, across = grid(scale, size, size, "picture")
        assert down.splits == across.splits == splits
        assert size % splits == 0
        assert min(down.period, across.period) >= size // splits


def test_each_side_has_its_own_windows():
    down, across = grid(COARSE, 16, 32, "picture")
    assert (down.splits, across.splits) == (1, 2)


def test_positions_step_alike_in_any_window_and_lie_in_the_middle():
    trained, narrow = encoding(56, 56, 8), encoding(16, 56, 8)
    np.testing.assert_allclose(narrow, trained[20:36], atol=1e-12)


def test_published_positions_turn_once():
    """Numbers worked out by hand: at the half and at the end, for the shortest wave."""
    place = encoding(4, 4, 4)
    np.testing.assert_allclose(
        place[1], [0, -1, np.sin(np.pi / 100), np.cos(np.pi / 100)], atol=1e-5
    )
    np.testing.assert_allclose(place[3, :2], [0, 1], atol=1e-5)
