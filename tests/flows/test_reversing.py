"""A backward flow turned round is the forward one, where the result shows where pixels went."""

import numpy as np
import pytest
from scipy import ndimage

from flows import masks, motions, reversing

H, W = 96, 128
OBJECT = np.zeros((H, W), bool)
OBJECT[30:60, 30:70] = True


def both(words, mask=OBJECT):
    """A linear motion's forward and backward flow, each exact."""
    forward = motions.field(motions.parse(words), mask)
    y, x = np.nonzero(mask)
    start = np.stack([x, y, np.ones_like(x)], axis=-1).astype(float)
    goal = start[:, :2] + forward[mask]
    fit = np.vstack([np.linalg.lstsq(start, goal, rcond=None)[0].T, [0, 0, 1]])
    landed = np.argwhere(masks.destination(forward))[:, ::-1]
    back = (np.c_[landed, np.ones(len(landed))] @ np.linalg.inv(fit).T)[:, :2]
    backward = np.zeros_like(forward)
    backward[landed[:, 1], landed[:, 0]] = back - landed
    return forward, backward


@pytest.mark.parametrize(
    "words",
    [
        "translate dx=20 dy=-7",
        "translate dx=3.5",
        "rotate degrees=40",
        "scale factor=1.8",
        "scale factor=0.5",
        "rotate degrees=180; translate dx=30",
        "stretch x=0.6 y=1.5",
    ],
)
def test_the_motion_of_an_object_comes_back(words):
    forward, backward = both(words)
    found = reversing.forward(backward)
    assert found.dtype == np.float32
    inner = ndimage.binary_erosion(OBJECT, iterations=2)
    assert np.abs(found - forward)[inner].max() < 0.6
    outside = ~ndimage.binary_dilation(OBJECT, iterations=4)  # a pixel of the result, enlarged
    assert not found[outside].any()


def test_a_pan_comes_back_where_the_result_shows_it():
    forward, backward = np.zeros((2, H, W, 2), np.float32)
    forward[:], backward[:] = (12, 5), (-12, -5)
    found = reversing.forward(backward)
    np.testing.assert_allclose(found[: H - 5, : W - 12], forward[: H - 5, : W - 12], atol=1e-5)
    assert not found[H - 4 :].any()  # has left the picture


def test_no_motion_is_none():
    assert not reversing.forward(np.zeros((H, W, 2), np.float32)).any()
