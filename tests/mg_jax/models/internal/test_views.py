"""Views: pushed pictures hold what the motion brings, and turning gets a half-way one."""

import numpy as np
import pytest
from scipy import ndimage

from flows import masks, motions
from mg_jax.models.internal import background, views

H, W = 60, 72
RNG = np.random.default_rng(0)
PHOTO = RNG.uniform(-1, 1, (H, W, 3)).astype(np.float32)
Y, X = np.mgrid[:H, :W]
OBJECT = (np.abs(Y - 28) < 12) & (np.abs(X - 26) < 14)
POSITIONS = np.stack([X, Y], axis=-1)


def flow(words, mask=OBJECT):
    return motions.field(motions.parse(words), mask)


def views_of(field, photo=PHOTO):
    return views.views(field, background.behind(photo, field, (H // 2, W // 2)))


def strain(words):
    return views.strain(flow(words), OBJECT)


MOTIONS = [
    "translate dx=15 dy=-9",
    "translate dx=3.5 dy=0.25",
    "rotate degrees=30",
    "scale factor=1.5",
    "stretch x=0.6",
    "translate dx=40 dy=25",  # half of it leaves the picture
]


@pytest.mark.parametrize("dx", [0, 7, -30])
def test_a_translation_has_no_strain(dx):
    assert strain(f"translate dx={dx} dy=4") == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("degrees", [1, 10, -45, 90, 180])
def test_strain_of_a_turn(degrees):
    expected = 2 * abs(np.sin(np.deg2rad(degrees) / 2))
    assert strain(f"rotate degrees={degrees}") == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.2, 2])
def test_strain_of_a_scaling(factor):
    assert strain(f"scale factor={factor}") == pytest.approx(abs(factor - 1), rel=1e-3)


def test_an_object_too_thin_to_have_a_derivative_has_no_strain():
    thin = np.zeros((H, W), bool)
    thin[20, 10:40] = True
    assert views.strain(flow("rotate degrees=30", thin), thin) == 0


def test_the_first_view_is_the_photo_with_all_its_patches():
    for words in MOTIONS:
        first = views_of(flow(words))[0]
        np.testing.assert_array_equal(first.origin, POSITIONS)
        np.testing.assert_array_equal(first.moving, masks.moving(flow(words)))
        np.testing.assert_array_equal(first.onward, flow(words))
        np.testing.assert_array_equal(views.picture(first, PHOTO), PHOTO)
        assert first.chosen.all()


def test_a_translation_is_pushed_once_a_turn_half_way_too():
    assert len(views_of(flow("translate dx=9"))) == 2
    for words in ("rotate degrees=25", "scale factor=1.4", "stretch y=1.5"):
        assert len(views_of(flow(words))) == 3
    assert len(views_of(flow("rotate degrees=1"))) == 2


@pytest.mark.parametrize(("dx", "dy"), [(15, -9), (-8, 0), (1, 1)])
def test_a_whole_pixel_push_is_a_roll_inside_the_object(dx, dy):
    pushed = views_of(flow(f"translate dx={dx} dy={dy}"))[1]
    landed = np.roll(OBJECT, (dy, dx), (0, 1))
    assert pushed.moving[landed].all()
    assert not pushed.moving[~ndimage.binary_dilation(landed, iterations=2)].any()
    inner = ndimage.binary_erosion(landed)
    np.testing.assert_allclose(
        views.picture(pushed, PHOTO)[inner], np.roll(PHOTO, (dy, dx), (0, 1))[inner], atol=1e-4
    )


@pytest.mark.parametrize("words", MOTIONS)
def test_a_fully_pushed_object_has_nowhere_to_go(words):
    assert not views_of(flow(words))[1].onward.any()


@pytest.mark.parametrize("degrees", [20, -50])
def test_half_way_the_object_has_half_of_its_way_to_go(degrees):
    field = flow(f"rotate degrees={degrees}")
    whole, half = views_of(field)[1:]
    assert half.moving.any()
    assert not half.onward[~half.moving].any()
    inner = ndimage.binary_erosion(half.moving, iterations=2)
    x, y = np.moveaxis(half.origin[inner].astype(np.float64), -1, 0)
    from_here = np.stack(
        [ndimage.map_coordinates(field[..., c], [y, x], order=1) for c in range(2)], axis=-1
    )
    np.testing.assert_allclose(half.onward[inner], 0.5 * from_here, atol=0.6)
    # Origin, half the way, and the onward half: it arrives where the whole view shows it.
    arrives = np.rint(POSITIONS[inner] + half.onward[inner]).astype(int)
    there = whole.origin[arrives[:, 1], arrives[:, 0]]
    assert np.median(np.linalg.norm(there - half.origin[inner], axis=-1)) < 1


@pytest.mark.parametrize("words", MOTIONS)
def test_origins_lie_in_the_picture(words):
    for view in views_of(flow(words)):
        assert (view.origin >= -0.5).all()
        assert (view.origin <= np.array([W - 0.5, H - 0.5])).all()


@pytest.mark.parametrize("words", MOTIONS)
def test_a_picture_is_the_photo_away_from_the_motion(words):
    field = flow(words)
    far = ~ndimage.binary_dilation(masks.moving(field) | masks.destination(field), iterations=3)
    for view in views_of(field)[:2]:
        shown = views.picture(view, PHOTO)
        np.testing.assert_array_equal(shown[far], PHOTO[far])
        assert shown.min() >= -1
        assert shown.max() <= 1


@pytest.mark.parametrize("words", MOTIONS)
def test_what_is_left_behind_shows_no_object(words):
    field = flow(words)
    white = OBJECT[..., None] * np.ones(3, np.float32)
    for view in views_of(field, white)[1:]:
        shown = views.picture(view, white)
        assert not shown[OBJECT & ~view.moving].any()


def test_a_motion_out_of_the_picture_has_nothing_to_show():
    pushed = views_of(flow("translate dx=200"))[1]
    assert not pushed.moving.any()
    assert pushed.chosen[OBJECT].all()  # all that is left is background


def test_a_moving_picture_has_no_rest_to_stand_in():
    everything = np.ones((H, W), bool)
    for view in views_of(flow("translate dx=5 dy=0", everything)):
        assert np.isfinite(views.picture(view, PHOTO)).all()
