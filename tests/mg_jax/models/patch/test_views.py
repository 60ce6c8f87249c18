"""Views: the photo where it rests, and what the motion makes of it."""

import numpy as np
import pytest
from mg_jax.models.patch.landing import land
from scipy import ndimage

from flows import masks, motions
from mg_jax.models.patch import background, views

H, W = 60, 72
RNG = np.random.default_rng(0)
PHOTO = RNG.uniform(-1, 1, (H, W, 3)).astype(np.float32)
Y, X = np.mgrid[:H, :W]
OBJECT = (np.abs(Y - 28) < 12) & (np.abs(X - 26) < 14)
POSITIONS = np.stack([X, Y], axis=-1)


def flow(words, mask=OBJECT):
    return motions.field(motions.parse(words), mask)


def landed_by(field):
    return land(field).covered > 0


def views_of(field, photo=PHOTO):
    return views.views(photo, field, background.behind(photo, field, (H // 2, W // 2)))


MOTIONS = [
    "translate dx=15 dy=-9",
    "translate dx=3.5 dy=0.25",
    "rotate degrees=30",
    "scale factor=1.5",
    "stretch x=0.6",
    "translate dx=40 dy=25",  # half of it leaves the picture
]


def test_the_first_view_is_the_photo_with_all_its_patches_at_rest():
    for words in MOTIONS:
        first = views_of(flow(words))[0]
        np.testing.assert_array_equal(first.origin, POSITIONS)
        np.testing.assert_array_equal(views.picture(first, PHOTO), PHOTO)
        np.testing.assert_array_equal(first.chosen, ~masks.solid(flow(words)))


@pytest.mark.parametrize(("dx", "dy"), [(15, -9), (-8, 0), (1, 1)])
def test_a_whole_pixel_push_is_a_roll_inside_the_object(dx, dy):
    pushed = views_of(flow(f"translate dx={dx} dy={dy}"))[1]
    landed = np.roll(OBJECT, (dy, dx), (0, 1))
    inner = ndimage.binary_erosion(landed)
    np.testing.assert_allclose(
        views.picture(pushed, PHOTO)[inner], np.roll(PHOTO, (dy, dx), (0, 1))[inner], atol=1e-4
    )


@pytest.mark.parametrize("words", MOTIONS)
def test_patches_of_the_pushed_object_may_be_taken_and_some_around_it(words):
    pushed = views_of(flow(words))[1]
    landed = landed_by(flow(words))
    assert pushed.chosen[ndimage.binary_dilation(landed)].all()
    assert not pushed.chosen[views_of(flow(words))[0].chosen & (X < 3) & (Y > H - 3)].any()


def test_a_rim_of_background_gives_way_to_the_new_background():
    """The mask is 3 pixels too wide: what was dark there is light where it lands."""
    y, x = np.mgrid[:300, :420]
    core = (np.abs(y - 140) < 40) & (np.abs(x - 90) < 40)
    photo = np.where(x[..., None] < 210, np.float32(-0.4), np.float32(0.4))
    photo = np.where(core[..., None], np.float32([0.9, -0.9, -0.9]), photo)
    loose = ndimage.binary_dilation(core, iterations=3)
    field = flow("translate dx=220 dy=0", loose)
    ground = background.behind(photo, field, (75, 105))
    shown = views.picture(views.views(photo, field, ground)[1], photo)
    landed = np.roll(core, 220, axis=1)
    rim = np.roll(loose, 220, axis=1) & ~ndimage.binary_dilation(landed)
    inside = shown[ndimage.binary_erosion(landed)]
    np.testing.assert_allclose(inside, np.broadcast_to(photo[140, 90], inside.shape), atol=1e-5)
    assert np.median(np.abs(shown[rim] - 0.4)) < 0.02


@pytest.mark.parametrize("words", MOTIONS)
def test_origins_lie_in_the_picture(words):
    for view in views_of(flow(words)):
        assert (view.origin >= -0.5).all()
        assert (view.origin <= np.array([W - 0.5, H - 0.5])).all()


@pytest.mark.parametrize("words", MOTIONS)
def test_a_picture_is_the_photo_away_from_the_motion(words):
    field = flow(words)
    far = ~ndimage.binary_dilation(masks.moving(field) | masks.destination(field), iterations=3)
    for view in views_of(field):
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
        assert not shown[OBJECT & ~landed_by(field)].any()


def test_a_motion_out_of_the_picture_has_nothing_to_show():
    white = OBJECT[..., None] * np.ones(3, np.float32)
    pushed = views_of(flow("translate dx=200"), white)[1]
    assert not views.picture(pushed, white).any()
    assert pushed.chosen[OBJECT].all()  # all that is left is background


def test_half_a_pixel_shows_half_of_the_object_at_its_edges():
    white = OBJECT[..., None] * np.ones(3, np.float32)
    shown = views.picture(views_of(flow("translate dx=20.5 dy=0"), white)[1], white)[28, :, 0]
    columns = np.nonzero(OBJECT[28])[0]
    assert shown[columns[0] + 20] == pytest.approx(0.5, abs=0.1)
    assert shown[columns[-1] + 21] == pytest.approx(0.5, abs=0.1)
    np.testing.assert_allclose(shown[columns[0] + 21 : columns[-1] + 21], 1, atol=1e-6)


def test_a_moving_pictures_edge_goes_on_where_it_left():
    """There is no ground that could show there."""
    everything = np.ones((H, W), bool)
    ramp = np.broadcast_to((X / W)[..., None], (H, W, 3)).astype(np.float32)
    pushed = views_of(flow("translate dx=5 dy=0", everything), ramp)[1]
    shown = views.picture(pushed, ramp)
    np.testing.assert_allclose(shown[:, 5:], ramp[:, :-5], atol=0.3 / W)
    np.testing.assert_allclose(shown[:, :5], 0, atol=0.3 / W)


def test_a_moving_picture_has_no_rest_to_stand_in():
    everything = np.ones((H, W), bool)
    for view in views_of(flow("translate dx=5 dy=0", everything)):
        assert np.isfinite(views.picture(view, PHOTO)).all()
