"""Beyond the frame: what it cuts off goes on, mirrored or repeated, where the cut moves inwards."""

import numpy as np
import pytest

from flows import masks, motions
from mg_jax.models.patch import layers
from mg_jax.models.patch.matting import Matte

H, W = 80, 96
Y, X = np.mgrid[:H, :W]
SQUARE = (np.abs(Y - 40) <= 14) & (np.abs(X - 44) <= 18)
POSITIONS = np.stack([X, Y], axis=-1)
PHOTO = np.random.default_rng(0).uniform(-1, 1, (H, W, 3)).astype(np.float32)


def landed(flow, photo=PHOTO):
    """All layers, and what goes on beyond the frame before each."""
    moving = masks.solid(flow)
    cut = Matte(moving.astype(np.float32), photo)
    return list(layers.landed(cut, flow, layers.order(moving)))


@pytest.mark.parametrize("side", ["left", "right", "top", "bottom"])
def test_what_the_frame_cuts_off_goes_on_mirrored(side):
    """10 pixels of it are seen; it moves inwards by 20."""
    axis, first = {"left": (0, True), "right": (0, False), "top": (1, True), "bottom": (1, False)}[
        side
    ]
    length = (W, H)[axis]
    from_frame = POSITIONS[..., axis] if first else length - 1 - POSITIONS[..., axis]
    along = np.abs(POSITIONS[..., 1 - axis] - 40) <= 8
    flow = np.zeros((H, W, 2), np.float32)
    flow[along & (from_frame < 10), axis] = 20 if first else -20
    beyond, own = landed(flow)
    inner = np.abs(POSITIONS[..., 1 - axis] - 40) <= 7
    # The pixel k before the cut is what lies k behind it.
    for found, where, source in (
        (own, inner & (from_frame > 20) & (from_frame < 29), from_frame - 20),
        (beyond, inner & (from_frame > 10) & (from_frame < 19), 19 - from_frame),
    ):
        np.testing.assert_array_equal(found.covered[where], 1)
        place = found.origin[..., axis]
        place = place if first else length - 1 - place
        np.testing.assert_allclose(place[where], source[where], atol=1e-6)
    assert not np.max([beyond.covered, own.covered], axis=0)[from_frame < 9].any()


@pytest.mark.parametrize("turns", range(4))
def test_a_bar_that_the_frame_cuts_off_goes_on_straight(turns):
    """It slopes, and its colours run along it, so that a mirror image would bend it."""
    across = Y - X / 2
    bar = np.where(np.abs(across) <= 12, across / 12, np.nan)
    photo = np.nan_to_num(np.stack([bar, -bar, np.cos(5 * bar)], axis=-1)).astype(np.float32)
    mask = np.isfinite(bar) & (X >= 30)
    towards = np.array([[-10, 0], [0, -10], [10, 0], [0, 10]])[-turns]  # inwards, after the turns
    flow = np.where(np.rot90(mask, turns)[..., None], np.float32(towards), 0)
    beyond, own = landed(flow, np.rot90(photo, turns))
    found = np.where(own.covered[..., None] > 0, own.color, beyond.color)
    expected = np.roll(photo, -10, axis=1)
    expected[:, -10:] = np.roll(photo, (5, 0), (0, 1))[:, -10:]  # ten columns on, five rows down
    inner = np.abs(Y - (X + 10) / 2) <= 10
    there = inner & (X >= 24)
    assert there[:, -10:].sum() > 100
    np.testing.assert_allclose(np.rot90(found, -turns)[there], expected[there], atol=1e-5)


def test_what_is_not_cut_off_or_moves_outwards_does_not_go_on():
    for mask, words in ((SQUARE, "translate dx=9"), (X < 10, "translate dx=-5")):
        assert len(landed(motions.field(motions.parse(words), mask))) == 1
