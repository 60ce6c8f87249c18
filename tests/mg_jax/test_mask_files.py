"""Masks as people have them: each kind selects what was meant, or is refused in one line."""

import numpy as np
import pytest
from PIL import Image

from flows import selections
from mg_jax import arguments, mask_files
from mg_jax.photos import Photo
from mg_jax.picture_files import turned

H, W = 24, 40
OBJECT = np.zeros((H, W), bool)
OBJECT[6:14, 10:30] = True
VOC = [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0, *[9, 9, 9] * 251, 224, 224, 192]


def grey(inside, outside=0, dtype=np.uint8):
    return np.where(OBJECT, inside, outside).astype(dtype)


def rgb(inside, outside=(0, 0, 0)):
    return np.where(OBJECT[..., None], inside, outside).astype(np.uint8)


def palette(index, colors=VOC):
    picture = Image.fromarray(index.astype(np.uint8), mode=None).convert("L")
    labels = Image.new("P", picture.size)
    labels.putdata(index.ravel().tolist())
    labels.putpalette(colors)
    return labels


def with_alpha(colors, alpha):
    return Image.fromarray(np.dstack([colors, np.broadcast_to(alpha, (H, W)).astype(np.uint8)]))


def mostly_opaque():
    """A few transparent pixels, in and outside the object."""
    alpha = np.full((H, W), 255)
    alpha[0, :3] = alpha[10, 20] = 0
    return alpha


def noise(low=0, high=256):
    return np.random.default_rng(0).integers(low, high, (H, W, 3), dtype=np.uint8)


def labels():
    """Label 2 of the palette, and some of the colour of borders."""
    index = 2 * OBJECT
    index[5, 10:30] = 255
    return index


SPECKLED = OBJECT & (mostly_opaque() > 0)
KINDS = {
    "black and white": (Image.fromarray(OBJECT), OBJECT, None),
    "grey": (Image.fromarray(grey(255)), OBJECT, None),
    "nearly white": (Image.fromarray(grey(250, 5)), OBJECT, None),
    "16 bits": (Image.fromarray(grey(65535, dtype=np.uint16)), OBJECT, None),
    "colours, grey": (Image.fromarray(rgb((255, 255, 255))), OBJECT, None),
    "opaque, with alpha": (with_alpha(rgb((255, 255, 255)), 255), OBJECT, None),
    "black and white, some clear": (
        with_alpha(rgb((255, 255, 255)), mostly_opaque()),
        SPECKLED,
        "white times opacity",
    ),
    "grey, some clear": (
        Image.fromarray(np.dstack([grey(255), mostly_opaque().astype(np.uint8)]), "LA"),
        SPECKLED,
        "white times opacity",
    ),
    "white on clear": (with_alpha(rgb((255, 255, 255)), 255 * OBJECT), OBJECT, "opaque"),
    "white on clear white": (with_alpha(noise(255), 255 * OBJECT), OBJECT, "opaque"),
    "black on clear": (with_alpha(rgb((0, 0, 0)), 255 * OBJECT), OBJECT, "opaque"),
    "red on clear": (with_alpha(rgb((255, 0, 0)), 255 * OBJECT), OBJECT, "opaque"),
    "an object cut out": (with_alpha(noise(), 255 * OBJECT), OBJECT, "opaque"),
    "0 and 1": (Image.fromarray(grey(1)), OBJECT, "value 1"),
    "0 and 1 in 16 bits": (Image.fromarray(grey(1, dtype=np.uint16)), OBJECT, "value 1"),
    "0 and 100": (Image.fromarray(grey(100)), OBJECT, "value 100"),
    "floats": (Image.fromarray(grey(1, dtype=np.float32)), OBJECT, None),
    "a palette of classes": (palette(2 * OBJECT), OBJECT, "label, 2,"),
    "with borders": (palette(labels()), OBJECT, "label, 2,"),
    "a palette of 0 and 1": (palette(1 * OBJECT, [0, 0, 0, 1, 1, 1]), OBJECT, "value 1"),
    "an empty palette": (palette(1 * OBJECT, [0, 0, 0] * 256), OBJECT, "value 1"),
    "a palette, white": (palette(3 * OBJECT, [0, 0, 0] * 3 + [255] * 3), OBJECT, None),
    "a class colour": (Image.fromarray(rgb((128, 0, 0))), OBJECT, "label, 800000,"),
    "white, with colours": (
        Image.fromarray(rgb((255, 255, 255), (60, 0, 0))),
        OBJECT,
        "brighter than half",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_selects_what_is_meant_and_says_what_was_decided(tmp_path, kind):
    picture, selected, said = KINDS[kind]
    path = tmp_path / ("a.tif" if picture.mode == "F" else "a.png")
    picture.save(path)
    for found, name in (
        (mask_files.read(path, (H, W)), str(path)),
        (mask_files.of_pillow(picture, "mask", (H, W)), "mask"),
    ):
        np.testing.assert_array_equal(found.mask, selected)
        assert len(found.notes) == (said is not None)
        for note in found.notes:
            assert note.startswith(f"{name}: ")
            assert said in note
            assert note.endswith("; selects 17% of the picture")


REFUSED = {
    "black": (Image.fromarray(grey(0)), "selects nothing, is black; expected white"),
    "clear": (with_alpha(noise(), 0), "selects nothing, is transparent; expected"),
    "classes": (
        Image.fromarray((np.arange(H * W).reshape(H, W) % 3).astype(np.uint8)),
        "brightest value is 2 of 255; expected white, or one of its values 0, 1, 2 after the name",
    ),
    "a palette of classes": (
        palette(np.arange(H * W).reshape(H, W) % 3),
        "holds 2 labels (1, 2), and not white on black; expected one of them after the name, as",
    ),
    "class colours": (
        Image.fromarray(
            np.where((np.arange(W) < 5)[:, None], (0, 0, 128), rgb((128, 0, 0))).astype(np.uint8)
        ),
        "holds 2 labels (000080, 800000)",
    ),
    "no background": (Image.fromarray(rgb((128, 0, 0), (0, 0, 128))), "holds 2 labels"),
    "a dark photo": (Image.fromarray(noise(0, 90)), "selects nothing, its brightest value is"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_not_sure_is_refused_in_one_line_with_the_remedy(tmp_path, kind):
    picture, said = REFUSED[kind]
    picture.save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"^[^\n]*expected[^\n]*$") as caught:
        mask_files.read(tmp_path / "a.png", (H, W))
    assert str(caught.value).startswith(f"{tmp_path / 'a.png'}: ")
    assert said in str(caught.value)


def test_a_label_after_the_name_picks_it(tmp_path):
    index = np.where(OBJECT, 2, 1)
    index[0] = 15
    for name, picture, label in (
        ("p", palette(index), "2"),
        ("c", palette(index), "008000"),
        ("g", Image.fromarray(index.astype(np.uint8)), "2"),
        ("d", Image.fromarray(index.astype(np.uint16)), "2"),
        ("r", Image.fromarray(rgb((1, 2, 200), (128, 0, 0))), "0102C8"),
    ):
        path = tmp_path / f"{name}.png"
        picture.save(path)
        found = mask_files.read(f"{path}#{label}", (H, W))
        np.testing.assert_array_equal(found.mask, OBJECT)
        assert found.notes == (
            f"{path}#{label}: its label {label} is taken; selects 17% of the picture",
        )
        assert selections.labelled(f"{path}#{label}") == (str(path), label)
        with pytest.raises(ValueError, match=r"a?.*: has no (77|777777); expected one of "):
            mask_files.read(f"{path}#{'777777' if len(label) == 6 else '77'}", (H, W))
    with pytest.raises(ValueError, match="has no palette; expected a colour"):
        mask_files.read(f"{tmp_path / 'r.png'}#3", (H, W))


def test_a_file_whose_name_looks_labelled_is_itself(tmp_path):
    path = tmp_path / "mask.png#15"
    Image.fromarray(grey(255)).save(path, format="png")
    np.testing.assert_array_equal(mask_files.read(path, (H, W)).mask, OBJECT)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (OBJECT, None),
        (OBJECT[None], None),
        (OBJECT[..., None], None),
        (grey(255), "value 255"),
        (grey(1, dtype=np.int64), "value 1"),
        (grey(1, dtype=np.float32), "value 1"),
    ],
)
def test_arrays_of_two_values_are_masks(tmp_path, array, said):
    np.save(tmp_path / "a.npy", array)
    found = mask_files.read(tmp_path / "a.npy", (H, W))
    np.testing.assert_array_equal(found.mask, OBJECT)
    assert [said in note for note in found.notes] == [True] * (said is not None)


@pytest.mark.parametrize("shape", [(12, 20), (48, 80), (72, 120), (13, 21), (12, 21), (4, 7)])
def test_a_mask_of_the_same_proportions_is_resized_and_told(tmp_path, shape):
    Image.fromarray(grey(255)).resize(shape[::-1], Image.Resampling.BOX).save(tmp_path / "a.png")
    found = mask_files.read(tmp_path / "a.png", (H, W))
    assert found.mask.shape == (H, W)
    assert (found.mask != OBJECT).mean() < 0.08
    (note,) = found.notes
    assert note.endswith(f"is {shape[1]}x{shape[0]} pixels; resized to the photo's {W}x{H}")


@pytest.mark.parametrize("shape", [(W, H), (H, H), (23, 50), (H - 2, W), (2, 2)])
def test_a_mask_of_other_proportions_is_refused(tmp_path, shape):
    Image.new("L", shape[::-1], 255).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=f"is {shape[1]}x{shape[0]} pixels; expected {W}x{H}, the"):
        mask_files.read(tmp_path / "a.png", (H, W))


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
@pytest.mark.parametrize("factor", [1, 2])
def test_a_mask_of_the_frame_as_it_is_stored_is_turned_with_it(tmp_path, orientation, factor):
    """The photo's EXIF turns it; the mask was drawn on the pixels as they lie in the file."""
    stored = next(
        one
        for k in range(8)
        for one in [np.rot90(OBJECT.T if k > 3 else OBJECT, k)]
        if np.array_equal(turned(one, orientation), OBJECT)
    )
    large = np.repeat(np.repeat(stored, factor, axis=0), factor, axis=1)
    Image.fromarray(large).save(tmp_path / "a.png")
    found = mask_files.read(tmp_path / "a.png", (H, W), orientation)
    np.testing.assert_array_equal(found.mask, OBJECT)
    assert "turned as the photo's EXIF says" in found.notes[0]


def test_where_both_frames_would_fit_it_is_told_which_is_meant(tmp_path):
    Image.fromarray(OBJECT).save(tmp_path / "a.png")
    found = mask_files.read(tmp_path / "a.png", (H, W), orientation=3)
    np.testing.assert_array_equal(found.mask, OBJECT)
    assert found.notes[0].endswith("taken for the photo as it is seen, turned as its EXIF says")


def test_a_mask_with_exif_of_its_own_is_upright_already(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(OBJECT)).save(tmp_path / "a.png", exif=exif)
    found = mask_files.read(tmp_path / "a.png", (H, W), orientation=6)
    np.testing.assert_array_equal(found.mask, OBJECT)
    assert not found.notes


def test_a_file_that_is_named_like_words_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photo = Photo(np.zeros((H, W, 3), np.uint8))
    for name in ("polygon mask.png", "click 3,4.png", "rectangle 1,2 5,6", "everything"):
        Image.fromarray(OBJECT).save(name, format="png")
        np.testing.assert_array_equal(arguments.selection("mask", name, photo).mask, OBJECT)
    with pytest.raises(ValueError, match="point='other"):
        arguments.selection("mask", "polygon other.png", photo)


def test_words_longer_than_any_name_are_words():
    photo = Photo(np.zeros((H, W, 3), np.uint8))
    text = "polygon " + " ".join(f"{x},{y}" for x, y in [(3, 3), (30, 3), (30, 20)] * 200)
    assert arguments.selection("mask", text, photo).mask.any()
