"""Pictures of flows: what they must show, and what they must leave alone."""

import numpy as np
import pytest

from flows import draw

H, W = 120, 160
PHOTO = np.random.default_rng(0).integers(60, 200, (H, W, 3), dtype=np.uint8)


def block_flow(dx, dy):
    flow = np.zeros((H, W, 2), np.float32)
    flow[50:70, 40:70] = [dx, dy]
    return flow


def directions(length, count=24):
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return (length * np.stack([np.cos(angle), np.sin(angle)], -1))[None].astype(np.float32)


def luminance(picture):
    return ((picture / 255.0) ** 2.2) @ [0.2126, 0.7152, 0.0722]


def test_rest_is_white():
    assert (draw.colors(np.zeros((H, W, 2), np.float32)) == 255).all()
    assert (draw.colors(directions(0.0), 5.0) == 255).all()


def test_right_is_red_and_every_direction_has_its_own_colour():
    painted = draw.colors(directions(3.0))[0].astype(int)
    red, green, blue = painted[0]
    assert red > 1.5 * max(green, blue)
    gaps = np.abs(painted - np.roll(painted, 1, axis=0)).sum(-1)
    assert gaps.min() > 5
    assert np.abs(painted - np.roll(painted, 12, axis=0)).sum(-1).min() > 100


def test_longer_is_darker_and_no_direction_outshines_another():
    shades = [luminance(draw.colors(directions(length), 8.0)) for length in (0.5, 2.0, 8.0)]
    assert (shades[0] > shades[1]).all()
    assert (shades[1] > shades[2]).all()
    assert shades[2].max() < 1.5 * shades[2].min()


def test_colours_depend_on_the_length_relative_to_the_largest():
    small, large = draw.colors(directions(2.0), 4.0), draw.colors(directions(20.0), 40.0)
    np.testing.assert_array_equal(small, large)
    np.testing.assert_array_equal(
        draw.colors(directions(9.0), 4.0), draw.colors(directions(4.0), 4.0)
    )


def test_the_wheel_shows_each_directions_colour_at_its_place():
    wheel = draw.wheel(101)
    for x, y in ((1, 0), (0, 1), (-1, 0), (0, -1)):
        expected = draw.colors(np.array([[[x, y]]], np.float32), 1.0)[0, 0]
        np.testing.assert_array_equal(wheel[50 + 50 * y, 50 + 50 * x], expected)
    assert (wheel[50, 50] == 255).all()
    assert (wheel[[0, 0, -1, -1], [0, -1, 0, -1]] == 255).all()


def test_the_legend_covers_only_the_lower_right():
    with_legend = draw.legend(PHOTO, 42.0)
    changed = (with_legend != PHOTO).any(-1)
    assert changed[H // 2 :, W // 2 :].any()
    assert not changed[: H // 2].any()
    assert not changed[:, : W // 2].any()


def test_a_picture_too_small_for_a_legend_stays_as_it_is():
    np.testing.assert_array_equal(draw.legend(PHOTO[:20, :20], 42.0), PHOTO[:20, :20])


def test_no_arrow_is_drawn_where_nothing_moves():
    np.testing.assert_array_equal(draw.arrows(PHOTO, np.zeros((H, W, 2), np.float32)), PHOTO)


def test_arrows_lead_from_the_moving_pixels_to_where_they_go():
    changed = (draw.arrows(PHOTO, block_flow(60, 0)) != PHOTO).any(-1)
    assert changed[50:70, 70:130].any()
    assert not changed[:45].any()
    assert not changed[75:].any()
    assert not changed[:, :36].any()
    assert not changed[:, 134:].any()


def test_an_arrow_is_white_within_a_dark_rim():
    black, white = np.zeros_like(PHOTO), np.full_like(PHOTO, 255)
    assert draw.arrows(black, block_flow(60, 0)).max() == 255
    assert draw.arrows(white, block_flow(60, 0)).min() < 60


def test_arrows_of_a_long_motion_do_not_run_into_one_another():
    flow = np.zeros((H, W, 2), np.float32)
    flow[20:100, 10:70] = [80, 0]
    drawn = draw.arrows(np.zeros_like(PHOTO), flow, spacing=20).max(-1) > 128
    assert 2 <= sum(np.diff(drawn[:, 80].astype(int)) == 1) <= 5  # separate shafts, one a row


def test_arrows_that_leave_the_picture_are_cut():
    assert draw.arrows(PHOTO, block_flow(500, -500)).shape == PHOTO.shape


@pytest.mark.parametrize("direction", [(1, 0), (0, -1)])
def test_how_far_beyond_the_picture_an_arrow_ends_does_not_show(direction):
    near, far = (
        draw.arrows(PHOTO, block_flow(*np.multiply(length, direction))) for length in (500, 1e6)
    )
    assert (near != PHOTO).any()
    np.testing.assert_array_equal(near, far)


def test_a_sheet_shows_every_panel_whole():
    tall = np.random.default_rng(1).integers(0, 200, (300, 200, 3), dtype=np.uint8)
    other = tall[::-1].copy()
    sheet = draw.sheet([("first", tall), ("second", other)])
    windows = np.lib.stride_tricks.sliding_window_view(sheet[..., 0], (300, 200))
    for panel in (tall, other):
        candidates = np.argwhere(windows[:, :, 0, 0] == panel[0, 0, 0])
        assert any(
            np.array_equal(sheet[y : y + 300, x : x + 200], panel)
            for y, x in candidates
            if np.array_equal(sheet[y, x : x + 200], panel[0])
        )


@pytest.mark.parametrize("shape", [(16, 1200), (16, 12000), (1200, 16), (12000, 16), (400, 2000)])
@pytest.mark.parametrize("count", [1, 3, 4])
def test_strips_make_sheets_that_can_be_looked_at(shape, count):
    strip = np.zeros((*shape, 3), np.uint8)
    sheet = draw.sheet([("a title", strip)] * count)
    height, width = sheet.shape[:2]
    assert width <= count * 2880 + 300
    assert height <= count * 720 + 300
    assert (sheet == 0).all(axis=-1).sum() >= count * min(strip.shape[:2])  # each is there
    titled = draw.sheet([("", strip)] * count) != sheet
    assert titled.any(axis=(0, 2)).sum() > 30 * min(count, 2)  # columns of a title


def test_a_strip_keeps_its_proportions():
    strip = np.zeros((16, 1200, 3), np.uint8)
    black = (draw.sheet([("", strip)]) == 0).all(axis=-1)
    assert black.any(axis=1).sum() == round(2880 * 16 / 1200)
    assert black.any(axis=0).sum() == 2880


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (2, 2), (3, 3), (4, 2), (5, 3), (9, 3)])
def test_panels_stand_in_rows(count, columns):
    one = draw.sheet([("a", PHOTO)])
    many = draw.sheet([("a", PHOTO)] * count)
    rows = -(-count // columns)
    assert (columns - 1) * 320 <= many.shape[1] - one.shape[1] <= (columns - 1) * 360
    assert (rows - 1) * 240 <= many.shape[0] - one.shape[0] <= (rows - 1) * 320


def test_a_margin_of_clean_white_surrounds_the_sheet():
    sheet = draw.sheet([("title", PHOTO)] * 4)
    for edge in (sheet[:8], sheet[-8:], sheet[:, :8], sheet[:, -8:]):
        assert (edge == 255).all()


def test_a_long_title_stays_above_its_panel():
    short, long = (draw.sheet([(title, PHOTO)]) for title in ("", "a very long title " * 20))
    assert short.shape == long.shape
    assert (long[:, -14:] == 255).all()
    assert (long[:30] < 128).any()


def test_a_sheet_of_nothing_is_refused():
    with pytest.raises(ValueError, match="expected at least one"):
        draw.sheet([])


def is_checks(picture):
    return np.isin(picture, draw._CHECKS).all(-1) & (
        (picture == 255).all(-1) | (picture != 255).all(-1)
    )


def test_a_selection_keeps_its_colours_and_the_rest_is_pale_and_grey():
    mask = block_flow(1, 0)[..., 0] > 0
    shown = draw.selected(PHOTO, mask)
    np.testing.assert_array_equal(shown[mask], PHOTO[mask])
    assert shown[~mask].min() > 190
    assert (np.ptp(shown[~mask], axis=-1) == 0).all()


def test_rest_moves_nothing():
    np.testing.assert_array_equal(draw.moved(PHOTO, np.zeros((H, W, 2), np.float32)), PHOTO)


def test_moved_pixels_lie_over_those_at_rest_and_leave_a_chequered_hole():
    shown = draw.moved(PHOTO, block_flow(12, -7))
    np.testing.assert_array_equal(shown[43:63, 52:82], PHOTO[50:70, 40:70])
    hole = np.zeros((H, W), bool)
    hole[50:70, 40:70] = True
    hole[43:63, 52:82] = False
    assert is_checks(shown[hole]).all()
    assert 0.3 < (shown[hole] == 255).all(-1).mean() < 0.7
    hole[43:63, 52:82] = True
    np.testing.assert_array_equal(shown[~hole], PHOTO[~hole])


def test_enlarged_content_has_no_cracks():
    y, x = np.mgrid[:H, :W]
    flow = np.where(
        block_flow(1, 0)[..., :1] > 0, 2.0 * np.stack([x - 55, y - 60], -1), 0.0
    ).astype(np.float32)  # three times as large
    shown = draw.moved(PHOTO, flow)
    assert not is_checks(shown[33:85, 13:98]).any()


def test_what_leaves_the_picture_is_gone():
    shown = draw.moved(PHOTO, block_flow(500, 0))
    assert is_checks(shown[50:70, 40:70]).all()
    np.testing.assert_array_equal(shown[:50], PHOTO[:50])


def test_a_preview_is_a_sheet_of_four():
    pair = draw.sheet([("a", PHOTO)] * 4)
    assert draw.preview(PHOTO, block_flow(20, 3)).shape == pair.shape
    assert draw.preview(PHOTO, np.zeros((H, W, 2), np.float32)).shape == pair.shape
