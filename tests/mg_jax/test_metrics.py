"""The ruler: closed forms, and large pictures measured small."""

import jax.numpy as jnp
import numpy as np
import pytest

from flows import masks, motions, raft
from mg_jax import metrics

H, W, DX = 40, 56, 12
RNG = np.random.default_rng(0)
SOURCE = RNG.integers(0, 256, (H, W, 3), dtype=np.uint8)
OBJECT = np.zeros((H, W), bool)
OBJECT[10:26, 8:24] = True
FLOW = motions.field(motions.parse(f"translate dx={DX} dy=0"), OBJECT)
LANDED = np.roll(OBJECT, DX, 1)
ZERO = np.zeros_like(FLOW)
KEYS = {
    "flow_l1_px",
    "flow_epe_moved_px",
    "color_l1",
    "color_l1_moved",
    "color_l1_visible",
    "background_l1",
    "kept_l1",
}


def perfect():
    """The object moved by whole pixels; noise where it was."""
    result = SOURCE.copy()
    result[OBJECT] = RNG.integers(0, 256, (OBJECT.sum(), 3))
    result[LANDED] = SOURCE[OBJECT]
    return result


def measure(result, flow=FLOW, region=None, estimate=None, source=SOURCE):
    region = masks.edit_region(flow, 2.0) if region is None else region
    return metrics.measure(source, result, flow, region, flow if estimate is None else estimate)


def mean_change(one, other, where):
    return np.abs(one.astype(float) - other)[where].mean() / 255


def test_a_perfect_edit_scores_zero_but_for_what_was_covered():
    scores = measure(perfect())
    assert set(scores) == KEYS
    assert scores["flow_l1_px"] == scores["flow_epe_moved_px"] == 0
    assert scores["background_l1"] == scores["kept_l1"] == 0
    assert scores["color_l1_moved"] == pytest.approx(0, abs=1e-6)
    # Resting pixels that the object covers, or where it was, differ from the source.
    changed = mean_change(perfect(), SOURCE, (LANDED | OBJECT) & ~OBJECT)
    expected = changed * (LANDED & ~OBJECT).sum() / (H * W)
    assert scores["color_l1"] == pytest.approx(expected, rel=1e-4)


def test_where_nothing_is_covered_again_a_perfect_edit_has_no_visible_colour_error():
    scores = measure(perfect())
    assert scores["color_l1"] > 0  # of the pixels that the object covers
    assert scores["color_l1_visible"] == pytest.approx(0, abs=1e-6)
    with_colors = measure(SOURCE, estimate=ZERO)
    covered = LANDED & ~OBJECT
    wrong = with_colors["color_l1_moved"] * OBJECT.sum()  # what rests is as it was
    expected = wrong / (H * W - covered.sum())
    assert with_colors["color_l1_visible"] == pytest.approx(expected, rel=1e-4)


def test_doing_nothing_scores_the_motion():
    scores = measure(SOURCE, estimate=ZERO)
    assert scores["background_l1"] == scores["kept_l1"] == 0
    assert scores["flow_l1_px"] == pytest.approx(DX * OBJECT.sum() / (2 * H * W))
    assert scores["flow_epe_moved_px"] == DX
    by_hand = mean_change(np.roll(SOURCE, -DX, 1), SOURCE, OBJECT)
    assert scores["color_l1_moved"] == pytest.approx(by_hand, rel=1e-4)
    assert scores["color_l1"] == pytest.approx(by_hand * OBJECT.sum() / (H * W), rel=1e-4)


def test_a_wrong_estimate_by_hand():
    estimate = FLOW + np.array([3.0, -4.0], np.float32)
    scores = measure(perfect(), estimate=estimate)
    assert scores["flow_l1_px"] == pytest.approx(3.5)
    assert scores["flow_epe_moved_px"] == pytest.approx(5)


def test_a_change_is_seen_by_where_it_is():
    edit = masks.edit_region(FLOW, 5.0)
    touched = masks.moving(FLOW) | masks.destination(FLOW)
    margin = edit & masks.background(FLOW)
    changes = {
        "outside": np.argwhere(~edit)[0],
        "margin": np.argwhere(margin)[0],
        "inside": np.argwhere(touched)[0],
    }
    seen = {"outside": (True, True), "margin": (True, False), "inside": (False, False)}
    for name, (row, column) in changes.items():
        result = SOURCE.copy()
        result[row, column] ^= 128
        scores = measure(result, region=edit)
        assert (scores["background_l1"] > 0, scores["kept_l1"] > 0) == seen[name]


def test_the_background_is_the_mean_outside_the_motion():
    result = RNG.integers(0, 256, SOURCE.shape, dtype=np.uint8)
    scores = measure(result)
    expected = mean_change(result, SOURCE, masks.background(FLOW))
    assert scores["background_l1"] == pytest.approx(expected, rel=1e-4)


def test_pixels_that_leave_the_picture_have_no_colour_error():
    away = motions.field(motions.parse("translate dx=40 dy=0"), OBJECT)  # 16 wide, 8 stay
    stays = OBJECT & (np.arange(W) + 40 < W)
    result = SOURCE.copy()
    result[np.roll(stays, 40, 1)] = SOURCE[stays]
    assert stays.any()
    assert stays.sum() < OBJECT.sum()
    assert measure(result, flow=away)["color_l1_moved"] == pytest.approx(0, abs=1e-6)


def test_a_mean_over_nothing_is_zero():
    everywhere = np.ones((H, W), bool)
    whole = motions.field(motions.parse("translate dx=500 dy=0"), everywhere)
    scores = measure(255 - SOURCE, flow=whole, region=everywhere)
    for name in KEYS - {"flow_l1_px", "flow_epe_moved_px"}:
        assert scores[name] == 0


SHOWN = []


class Fixed(raft.Raft):
    """A judge that sees every pixel move by (4, -2), and notes what size it was shown."""

    def flow(self, _params, first, second, updates=12):
        assert updates == metrics.JUDGING_UPDATES
        assert first.shape == second.shape
        SHOWN.append(first.shape)
        return jnp.broadcast_to(jnp.array([4.0, -2.0]).reshape(1, 1, 1, 2), (*first.shape[:3], 2))


@pytest.fixture
def judge():
    real = raft.load("raft-small")
    SHOWN.clear()
    return Fixed(real.config, real.graph, real.params)


@pytest.mark.parametrize("shape", [(128, 150), (300, 200), (768, 768)])
def test_pictures_of_usual_size_are_measured_as_they_are(judge, shape):
    picture = np.zeros((*shape, 3), np.uint8)
    flow = metrics.flow_between(judge, picture, picture)
    assert flow.shape == (*shape, 2)
    assert [(1, *shape, 3)] == SHOWN
    np.testing.assert_array_equal(flow, np.broadcast_to(np.float32([4, -2]), flow.shape))


@pytest.mark.parametrize("shape", [(1600, 2400), (1000, 1000), (60, 90), (100, 900), (4000, 200)])
def test_others_are_measured_at_another_size_and_said_in_their_own_pixels(judge, shape):
    picture = np.zeros((*shape, 3), np.uint8)
    flow = metrics.flow_between(judge, picture, picture)
    ((_, rows, columns, _),) = SHOWN
    assert min(rows, columns) >= 128
    assert rows * columns <= 1.01 * metrics.LARGEST_AREA
    expected = [4 * shape[1] / columns, -2 * shape[0] / rows]
    np.testing.assert_allclose(flow, np.broadcast_to(expected, (*shape, 2)), rtol=1e-5)
