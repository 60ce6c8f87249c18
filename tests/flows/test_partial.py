"""A share of a motion: nothing, all, turned by degrees, its fixed point at rest."""

import numpy as np
import pytest

from flows import motions, partial

SHAPE = (48, 64)


def drawn(*words):
    masks = [np.zeros(SHAPE, bool) for _ in words]
    masks[0][10:30, 12:30] = True
    if len(words) > 1:
        masks[1][20:40, 40:60] = True
    objects = [(motions.parse(w), m) for w, m in zip(words, masks, strict=True)]
    return motions.together(objects), np.any(masks, axis=0), motions.order(objects)


WORDS = ("translate dx=20 dy=5", "rotate degrees=180", "scale factor=0.5", "grow factor=2 along=0")


@pytest.mark.parametrize("words", WORDS)
def test_none_of_it_rests_and_all_of_it_is_the_motion(words):
    flow, moving, _ = drawn(words)
    assert np.abs(partial.partial(flow, moving, 0.0)).max() < 1e-6
    np.testing.assert_allclose(partial.partial(flow, moving, 1.0), flow, atol=1e-4)


@pytest.mark.parametrize(
    ("whole", "part"),
    [
        ("translate dx=20 dy=6", "translate dx=5 dy=1.5"),
        ("rotate degrees=180", "rotate degrees=45"),
        ("rotate degrees=-80 cx=12 cy=30", "rotate degrees=-20 cx=12 cy=30"),
        ("scale factor=0.0625 cx=3 cy=4", None),  # too small for a similarity: a line
        ("scale factor=16", "scale factor=2"),
    ],
)
def test_a_quarter_of_a_turn_is_a_turn_by_a_quarter(whole, part):
    flow, moving, _ = drawn(whole)
    quarter = partial.partial(flow, moving, 0.25)
    expected = flow / 4 if part is None else drawn(part)[0]
    # A half turn may go either way round.
    other = drawn("rotate degrees=-45")[0] if whole == "rotate degrees=180" else expected
    errors = [np.abs(quarter - one).max() for one in (expected, other)]
    assert min(errors) < 1e-3


def test_a_mirror_goes_through_its_axis():
    flow, moving, _ = drawn("scale factor=1")
    x = np.arange(SHAPE[1])[None, :, None]
    flow = np.where(moving[..., None], np.concatenate([2 * (20.5 - x), 0 * x], -1), 0.0)
    half = partial.partial(flow, moving, 0.5)
    np.testing.assert_allclose((x[..., 0] + half[..., 0])[moving], 20.5, atol=1e-6)


def test_each_object_turns_by_itself():
    flow, moving, order = drawn("rotate degrees=40", "rotate degrees=-40")
    half = partial.partial(flow, moving, 0.5, order)
    np.testing.assert_allclose(half, drawn("rotate degrees=20", "rotate degrees=-20")[0], atol=1e-3)
    np.testing.assert_array_equal(half, partial.partial(flow, moving, 0.5))
    assert not half[~moving].any()


def test_one_pixel_goes_along_a_line():
    flow = np.zeros((*SHAPE, 2), np.float32)
    flow[3, 4] = 8, 2
    assert partial.partial(flow, flow.any(-1), 0.5)[3, 4] == pytest.approx((4, 1))
