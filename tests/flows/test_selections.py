"""Selections in words: what they select, and a line for what they cannot."""

from pathlib import Path

import numpy as np
import pytest

from flows import clicks, selections
from mg_jax import images

H, W = 60, 80


def scene():
    """A red disc of radius 12 about (30, 25), and a blue square, on grey noise."""
    y, x = np.mgrid[:H, :W]
    picture = np.random.default_rng(0).normal(128, 6, (H, W, 3))
    disc, square = np.hypot(x - 30, y - 25) <= 12, (x >= 55) & (x < 75) & (y >= 35) & (y < 55)
    picture[disc] += [90, -80, -80]
    picture[square] += [-80, -80, 90]
    return np.clip(picture, 0, 255).astype(np.uint8), disc, square


PHOTO, DISC, SQUARE = scene()


def overlap(one, other):
    return (one & other).sum() / (one | other).sum()


@pytest.mark.parametrize("text", ["rectangle 10,20 30,40", "rectangle 30,20 10,40"])
def test_a_rectangle_includes_its_corners(text):
    expected = np.zeros((H, W), bool)
    expected[20:41, 10:31] = True
    np.testing.assert_array_equal(selections.select(text, PHOTO), expected)


def test_a_polygon_is_what_lies_inside_its_outline():
    box = selections.select("polygon 9.5,19.5 30.5,19.5 30.5,40.5 9.5,40.5", PHOTO)
    np.testing.assert_array_equal(box, selections.select("rectangle 10,20 30,40", PHOTO))
    y, x = np.mgrid[:H, :W]
    triangle = selections.select("polygon 0,0 50.5,0 0,50.5", PHOTO)
    inside = (x > 0) & (y > 0) & (x + y < 50)
    outside = x + y > 51
    assert triangle[inside].all()
    assert not triangle[outside].any()


@pytest.mark.parametrize("text", ["everything", "rectangle 0,0 79,59"])
def test_the_whole_picture_may_be_selected(text):
    selected = selections.select(text, PHOTO)
    assert selected.shape == (H, W)
    assert selected.all()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("click 30,25", DISC),
        ("click 26,31", DISC),
        ("click 60,40", SQUARE),
        ("click 30,25 65,45", DISC | SQUARE),
    ],
)
def test_a_click_selects_the_object_under_it(text, expected):
    assert overlap(selections.select(text, PHOTO), expected) > 0.95


@pytest.mark.parametrize(
    ("photo", "mask", "text", "least"),
    [
        ("coffee.png", "coffee_mask.png", "click 300,220", 0.95),
        ("chelsea.png", "chelsea_mask.png", "click 170,115", 0.8),
        ("rocket.jpg", "rocket_mask.png", "click 320,200", 0.7),  # its nose is as dim as the sky
    ],
)
def test_one_click_finds_what_a_hand_has_drawn(photo, mask, text, least):
    data = Path(__file__).parents[2] / "experiments" / "data"
    selected = selections.select(text, images.read(data / photo))
    assert overlap(selected, images.read_mask(data / mask)) > least


def test_the_same_click_selects_the_same():
    first, second = (selections.select("click 30,25", PHOTO) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_a_click_finds_the_object_in_a_larger_picture():
    large = PHOTO.repeat(20, axis=0).repeat(20, axis=1)  # cut at less than its size
    expected = DISC.repeat(20, axis=0).repeat(20, axis=1)
    assert overlap(clicks.select(large, np.array([[600.0, 500.0]])), expected) > 0.95


@pytest.mark.parametrize("height", [16, 20])
def test_a_narrow_picture_is_large_enough(height):
    assert clicks.select(np.tile(PHOTO[20 : 20 + height], (1, 20, 1)), np.array([[30.0, 5]])).any()


def test_words_are_told_from_files():
    assert selections.is_words("click 3,4")
    assert selections.is_words("rectangle")
    assert selections.is_words("everything")
    assert selections.is_words("circle 3,4 10.5,-2")  # for `select` to say which there are
    assert not selections.is_words("click.png")
    assert not selections.is_words("photos of 3,4 cups.png")
    assert not selections.is_words("my mask.png")
    assert not selections.is_words("")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "unknown ''; expected one of: rectangle x,y x,y; polygon"),
        ("circle 3,4", "unknown 'circle'; expected one of"),
        ("click", "has no point"),
        ("click 3", "point='3' is no point"),
        ("click 3,x", "point='x' is no number"),
        ("click 80,3", "80,3 lies outside the picture; expected x up to 79 and y up to 59"),
        ("click 3,4 3,-1", "3,-1 lies outside"),
        ("rectangle 3,4", "has 1 points; expected 2"),
        ("rectangle 3,4 5,6 7,8", "has 3 points; expected 2"),
        ("rectangle 3.2,4 3.8,9", "selects nothing"),
        ("everything 3,4", "has 1 points; expected none"),
        ("polygon 3,4 5,6", "has 2 points; expected 3 or more"),
        ("polygon 3.2,4.2 3.4,4.4 3.6,4.6", "selects nothing"),
    ],
)
def test_a_slip_of_the_pen_is_named_in_one_line(text, complaint):
    with pytest.raises(ValueError, match="expected") as caught:
        selections.select(text, PHOTO)
    message = str(caught.value)
    assert complaint in message
    assert message.startswith(f"selection {text!r}: ")
    assert "\n" not in message


def test_a_picture_too_small_for_a_click_is_refused():
    with pytest.raises(ValueError, match="80x9 pixels; expected 16 a side"):
        selections.select("click 3,4", PHOTO[:9])


def test_a_click_where_there_is_no_object_is_refused():
    with pytest.raises(ValueError, match="finds no object, selects everything; expected a click"):
        selections.select("click 30,25", np.full((H, W, 3), 127, np.uint8))


def test_clicks_all_over_a_small_picture_select_it_all():
    y, x = np.mgrid[:16, :16]
    assert clicks.select(PHOTO[:16, :16], np.stack([x.ravel(), y.ravel()], -1) * 1.0).all()


def two_discs():
    """A disc with a darker one beside it that touches it, on grey noise."""
    y, x = np.mgrid[:H, :W]
    picture = np.random.default_rng(1).normal(128, 4, (H, W, 3))
    left, right = np.hypot(x - 26, y - 30) <= 12, np.hypot(x - 50, y - 30) <= 12
    picture[left | right] += [90, -80, -80]
    return np.clip(picture, 0, 255).astype(np.uint8), left, right


def test_after_not_a_click_leaves_out_what_lies_there():
    photo, left, right = two_discs()
    both = selections.select("click 26,30", photo)
    assert overlap(both, left | right) > 0.9
    one = selections.select("click 26,30 not 50,30", photo)
    assert overlap(one, left) > 0.8
    assert not one[30, 50]


def test_a_first_outline_is_the_object_roughly():
    outline = clicks.first(PHOTO, np.array([[30.0, 25.0]]))
    assert overlap(outline, DISC) > 0.8
    photo = two_discs()[0]
    away = np.array([[50.0, 30.0]])
    assert not clicks.first(photo, np.array([[26.0, 30.0]]), away)[30, 50]


@pytest.mark.parametrize("text", ["rectangle 1,1 5,5 not 3,3", "click 3,3 not", "everything not"])
def test_not_belongs_to_clicks(text):
    with pytest.raises(ValueError, match=rf"^selection '{text}': 'not'; expected it in a click"):
        selections.select(text, PHOTO)


def test_a_point_left_out_must_lie_in_the_picture_too():
    with pytest.raises(ValueError, match="99,3 lies outside the picture"):
        selections.select("click 3,3 not 99,3", PHOTO)


def test_leaving_out_what_was_never_selected_changes_nothing():
    away = np.array([[65.0, 45.0]])
    with_it = clicks.select(PHOTO, np.array([[30.0, 25.0]]), away)
    np.testing.assert_array_equal(with_it, clicks.select(PHOTO, np.array([[30.0, 25.0]])))
