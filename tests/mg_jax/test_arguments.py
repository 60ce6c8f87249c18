"""What people hand over: each form means the same, and what is none of them is named."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from flows import files, motions
from mg_jax import arguments, images
from mg_jax.photos import Photo

H, W = 24, 32
PHOTO = np.random.default_rng(0).integers(0, 256, (H, W, 3), dtype=np.uint8)
MASK = np.zeros((H, W), bool)
MASK[6:12, 8:16] = True
WORDS = "translate dx=5 dy=-2"


@pytest.fixture
def folder(tmp_path):
    """The photo, the mask and the flow as files."""
    images.write(tmp_path / "photo.png", PHOTO)
    Image.fromarray(255 * MASK.astype(np.uint8)).save(tmp_path / "mask.png")
    files.write(tmp_path / "flow.npz", motions.field(motions.parse(WORDS), MASK))
    return tmp_path


def test_a_photo_is_a_file_an_open_picture_or_an_array(folder):
    path = folder / "photo.png"
    for given in (path, str(path), Image.open(path), PHOTO, jnp.asarray(PHOTO)):
        np.testing.assert_array_equal(arguments.photo(given).pixels, PHOTO)


def test_an_open_picture_is_read_as_its_file_is(tmp_path):
    """Transparent, and of 16 bits."""
    clear = Image.fromarray(np.dstack([PHOTO, np.full((H, W), 100, np.uint8)]))
    deep = Image.fromarray(np.arange(H * W, dtype=np.uint16).reshape(H, W) * 80)
    for name, picture in (("clear.png", clear), ("deep.png", deep)):
        picture.save(tmp_path / name)
        expected = images.read(tmp_path / name)
        np.testing.assert_array_equal(arguments.photo(picture).pixels, expected)


def test_a_selection_is_words_a_file_an_open_picture_or_an_array(folder):
    path = folder / "mask.png"
    for given in (
        "rectangle 8,6 15,11",
        path,
        str(path),
        Image.open(path),
        MASK,
        jnp.asarray(MASK),
    ):
        np.testing.assert_array_equal(arguments.selection("mask", given, Photo(PHOTO)).mask, MASK)


def test_a_motion_is_words_with_a_mask_a_file_or_an_array(folder):
    expected = motions.field(motions.parse(WORDS), MASK)
    path = folder / "flow.npz"
    for given, mask in (
        (WORDS, MASK),
        (WORDS, str(folder / "mask.png")),
        (path, None),
        (str(path), None),
        (expected, None),
        (jnp.asarray(expected), None),
    ):
        moved = arguments.flow(given, mask, Photo(PHOTO))
        np.testing.assert_array_equal(moved.flow, expected)
        assert (moved.order is None) == (mask is None)


BAD = [
    (lambda: arguments.photo([[1]]), "image: list; expected a file, a PIL picture, or uint8"),
    (lambda: arguments.photo(None), "image: NoneType; expected"),
    (lambda: arguments.photo("nowhere.png"), "nowhere.png: no such file"),
    (lambda: arguments.photo(PHOTO / 255), "image: float64 of shape"),
    (lambda: arguments.flow(WORDS, None, Photo(PHOTO)), "mask: none given; expected what moves"),
    (lambda: arguments.flow("fly dx=3", MASK, Photo(PHOTO)), "fly"),
    (lambda: arguments.flow(WORDS, ~MASK & MASK, Photo(PHOTO)), "mask: selects nothing"),
    (
        lambda: arguments.flow(WORDS, MASK[1:], Photo(PHOTO)),
        "mask: bool of shape (23, 32); expected bool",
    ),
    (lambda: arguments.flow(WORDS, 1 * MASK, Photo(PHOTO)), "mask: int64 of shape"),
    (lambda: arguments.flow("nowhere.flo", None, Photo(PHOTO)), "nowhere.flo: no such file"),
    (lambda: arguments.flow(3, None, Photo(PHOTO)), "flow: int; expected words, a file, or floats"),
    (lambda: arguments.numbers("ramp", [1.0]), "ramp: list; expected an array"),
]


@pytest.mark.parametrize(("call", "said"), BAD)
def test_what_cannot_be_taken_is_one_line_that_says_what_can(call, said):
    with pytest.raises(ValueError, match="expected") as caught:
        call()
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_jax_traces_is_named():
    with pytest.raises(ValueError, match="image: is traced by jax"):
        jax.jit(arguments.photo)(PHOTO)
