"""Laws of scenes whose answer is known."""

import hashlib

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
from PIL import Image

from flows import masks, motions
from flows.geometry import warp
from mg_jax.compositing import Layer, Place, compose, draw, read_cutout

SIZE = 128
MIDDLE = Place(64, 64, 0.5, 10)
MOTIONS = [
    "translate dx=20.3 dy=-11.7",
    "rotate degrees=40",
    "rotate degrees=170; translate dx=-7",
    "scale factor=1.4",
    "scale factor=0.7; rotate degrees=-20",
    "stretch x=1.5 degrees=30",
    "homography from=40,40/90,40/90,90/40,90 to=45,35/88,30/100,95/30,85",
    "bend degrees=40 along=90",
    "grow factor=1.8 along=0",
]


def smooth(height, width, seed, sigma=6.0):
    """A smooth picture of full range."""
    noise = np.random.default_rng(seed).random((height, width, 3))
    soft = scipy.ndimage.gaussian_filter(noise, (sigma, sigma, 0))
    return np.round(np.ptp(soft) and (soft - soft.min()) / np.ptp(soft) * 255).astype(np.uint8)


@pytest.fixture
def photo():
    return smooth(SIZE, SIZE, 1, 2.0)


@pytest.fixture
def leaf():
    """An asymmetric cut-out with a soft rim, 120x100."""
    y, x = np.mgrid[:100, :120]
    inside = ((x - 55) / 50) ** 2 + ((y - 50) / 42) ** 2 <= 1
    inside |= (abs(y - 60) < 6) & (x > 60) & (x < 118)
    alpha = np.round(scipy.ndimage.gaussian_filter(inside * 255.0, 1)).astype(np.uint8)
    return np.dstack([smooth(100, 120, 2), alpha])


def layer(cutout, text=None, place=MIDDLE):
    return Layer(cutout, place, motions.parse(text) if text else None)


def reached(cutout, text, photo):
    """Where the object lies in the answer: drawn in white over black."""
    white = cutout.copy()
    white[..., :3] = 255
    return compose(np.zeros_like(photo), [layer(white, text)]).answer.max(axis=-1) > 0


def test_what_rests_is_the_same_in_source_and_answer(photo, leaf):
    scene = compose(photo, [layer(leaf)])
    assert (scene.source == scene.answer).all()
    assert not scene.flow.any()
    assert (scene.source != photo).any()


def test_without_layers_the_photo_is_left(photo):
    scene = compose(photo, [])
    assert (scene.source == photo).all()
    assert (scene.answer == photo).all()


@pytest.mark.parametrize("text", MOTIONS)
def test_outside_the_object_at_either_place_nothing_changes(photo, leaf, text):
    scene = compose(photo, [layer(leaf, text)])
    changed = (scene.source != scene.answer).any(axis=-1)
    objects = reached(leaf, text, photo) | reached(leaf, None, photo)
    assert changed.any()
    assert not (changed & ~objects).any()


@pytest.mark.parametrize("text", MOTIONS)
def test_the_answer_warped_back_along_the_flow_is_the_source(photo, leaf, text):
    scene = compose(photo, [layer(leaf, text)])
    inner = scipy.ndimage.binary_erosion(masks.moving(scene.flow), iterations=4)
    assert inner.sum() > 300
    answer = jnp.asarray(scene.answer, jnp.float32)
    back = np.asarray(warp(answer, jnp.asarray(scene.flow)))
    error = np.abs(back - scene.source)[inner]
    assert error.mean() < 1.0  # of 255: one resampling more, and two roundings
    assert error.max() < 6.0


def test_a_move_by_whole_pixels_moves_whole_pixels(photo, leaf):
    scene = compose(photo, [layer(leaf, "translate dx=17 dy=-23")])
    moved = np.roll(scene.source, (-23, 17), axis=(0, 1))
    inner = scipy.ndimage.binary_erosion(masks.moving(scene.flow), iterations=4)
    inner = np.roll(inner, (-23, 17), axis=(0, 1))
    assert inner.sum() > 300
    assert (scene.answer[inner] == moved[inner]).all()


def test_the_flow_is_the_motion_where_the_object_covers_more_than_half(photo, leaf):
    scene = compose(photo, [layer(leaf, "translate dx=10.25 dy=-3.5")])
    alpha = draw(leaf, MIDDLE, *still(SIZE))[..., 3]
    assert (scene.flow[alpha > 0.5] == (10.25, -3.5)).all()
    assert not scene.flow[alpha <= 0.5].any()


def test_whatever_lies_in_front_hides_the_flow_behind(photo, leaf):
    back = layer(leaf, "translate dx=10")
    resting = layer(leaf, None, Place(80, 64, 0.4))
    moving = layer(leaf, "translate dx=0 dy=9", Place(80, 64, 0.4))
    alone = masks.moving(compose(photo, [back]).flow)
    front = draw(leaf, Place(80, 64, 0.4), *still(SIZE))[..., 3] > 0.5
    hidden = masks.moving(compose(photo, [back, resting]).flow)
    assert (hidden == (alone & ~front)).all()
    assert (compose(photo, [back, moving]).flow[front] == (0, 9)).all()


def test_opacity_mixes_in_proportion(photo):
    pane = np.full((40, 40, 4), 200, np.uint8)
    pane[..., 3] = 51  # a fifth
    scene = compose(photo, [Layer(pane, Place(64, 64, 1.0))])
    centre = np.s_[50:78, 50:78]
    expected = 0.2 * 200 + 0.8 * photo[centre]
    assert np.abs(scene.source[centre] - expected).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("factor", [2, 3, 8])
def test_a_soft_rim_stays_soft_where_it_is_enlarged(factor):
    y, x = np.mgrid[:40, :40]
    opacity = np.clip((19 - np.hypot(x - 19.5, y - 19.5)) / 6, 0, 1)  # falls to 0 within 6 pixels
    disc = np.dstack([np.full((40, 40, 3), 255), np.round(255 * opacity)]).astype(np.uint8)
    still_rim, moved_rim = (
        compose(np.zeros((400, 400, 3), np.uint8), [layer(disc, text, Place(200, 200, 1))]).answer
        for text in (None, f"scale factor={factor}")
    )
    steepest = [np.abs(np.diff(rim[200, :, 0].astype(int))).max() for rim in (still_rim, moved_rim)]
    assert steepest[1] <= steepest[0] / factor + 1


def test_detail_finer_than_pixels_is_averaged(photo):
    y, x = np.mgrid[:160, :160]
    board = np.where((x + y)[..., None] % 2, 255, 0).repeat(3, axis=-1)
    cutout = np.dstack([board, np.full((160, 160), 255)]).astype(np.uint8)
    scene = compose(photo, [Layer(cutout, Place(64, 64, 0.25, 15))])
    assert np.abs(scene.source[54:74, 54:74].astype(int) - 127.5).max() < 16


def test_points_map_outward_and_inward():
    place = Place(30, 40, 0.3, 25)
    offsets = np.array([[3.0, -7.0], [0.0, 11.0]])
    steps = place.outward(offsets) - (30, 40)
    assert np.allclose(steps @ place.inward().T, offsets)


def test_a_scene_is_the_same_on_every_machine(photo, leaf):
    first = layer(leaf, "rotate degrees=33; scale factor=1.2", Place(45.3, 50.1, 0.41, 7))
    second = layer(leaf, "bend degrees=30 along=0", Place(90.7, 88.2, 0.33, -12))
    scene = compose(photo, [first, second])
    parts = scene.source, scene.flow, scene.answer
    digest = hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()
    assert digest == "dc3c4cf33b1c277a0757b3bafbc369f699505848e76ac48574541cc0a138fc49"


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("translate dx=3", Place(-90, 64, 0.5), "in the picture"),
        ("bend degrees=360 along=90", Place(64, 64, 0.5), "bend"),
    ],
)
def test_what_cannot_be_drawn_is_refused(photo, leaf, text, place, said):
    with pytest.raises(ValueError, match=said) as caught:
        compose(photo, [layer(leaf, text, place)])
    assert "\n" not in str(caught.value)


def test_a_cutout_is_read_with_its_opacity(tmp_path, leaf):
    Image.fromarray(leaf).save(tmp_path / "leaf.png")
    assert (read_cutout(tmp_path / "leaf.png") == leaf).all()


def test_a_picture_without_opacity_is_no_cutout(tmp_path, photo):
    Image.fromarray(photo).save(tmp_path / "photo.png")
    with pytest.raises(ValueError, match=r"photo\.png: has no transparency"):
        read_cutout(tmp_path / "photo.png")


@pytest.mark.parametrize("opacity", [0, 127])
def test_a_cutout_that_does_not_show_is_refused(tmp_path, leaf, opacity):
    leaf[..., 3] = np.minimum(leaf[..., 3], opacity)
    Image.fromarray(leaf).save(tmp_path / "leaf.png")
    with pytest.raises(ValueError, match=r"leaf\.png: is nowhere more than half opaque; expected"):
        read_cutout(tmp_path / "leaf.png")
    leaf[30, 40, 3] = 128
    Image.fromarray(leaf).save(tmp_path / "leaf.png")
    assert (read_cutout(tmp_path / "leaf.png") == leaf).all()


def still(size):
    """Each pixel looks at itself."""
    y, x = np.mgrid[:size, :size].astype(np.float64)
    return np.stack([x, y], axis=-1), np.broadcast_to(np.eye(2), (size, size, 2, 2))
