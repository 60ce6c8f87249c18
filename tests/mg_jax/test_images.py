"""Pictures: odd but valid files are read, broken ones are named, what is written comes back."""

import hashlib
import re
import warnings
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from flows import motions
from mg_jax import images

SHIPPED = Path(__file__).parents[2] / "experiments" / "data"


def photo(height=12, width=17, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def half_mask(height=12, width=17):
    return np.tile(np.arange(width) < width // 2, (height, 1))


def refusal(reader, path, *arguments):
    """The one line that refuses the file, which it must name first."""
    with pytest.raises(ValueError, match="expected") as caught:
        reader(path, *arguments)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("suffix", [".png", ".PNG"])
def test_a_png_comes_back_exactly(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    images.write(path, photo())
    np.testing.assert_array_equal(images.read(path), photo())


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".webp"])
def test_a_lossy_picture_comes_back_nearly(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    smooth = images.resize(photo(3, 3), 48, 64)
    images.write(path, smooth)
    assert np.abs(images.read(path).astype(int) - smooth).mean() < 5


def test_grey_pictures_have_three_equal_channels(tmp_path):
    grey = photo()[..., 0]
    Image.fromarray(grey).save(tmp_path / "a.png")
    np.testing.assert_array_equal(images.read(tmp_path / "a.png"), np.stack([grey] * 3, -1))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_are_rounded_to_eight(tmp_path, suffix):
    grey = photo()[..., 0]
    path = tmp_path / f"a{suffix}"
    Image.fromarray(grey.astype(np.uint16) * 257).save(path)
    np.testing.assert_array_equal(images.read(path)[..., 1], grey)


def test_black_and_white_is_read_as_0_and_255(tmp_path):
    Image.fromarray(half_mask()).save(tmp_path / "a.png")
    np.testing.assert_array_equal(images.read(tmp_path / "a.png")[..., 0], half_mask() * 255)


def test_a_palette_gives_its_colours(tmp_path):
    picture = Image.fromarray(photo()).quantize(16)
    picture.save(tmp_path / "a.png")
    np.testing.assert_array_equal(images.read(tmp_path / "a.png"), np.array(picture.convert("RGB")))


def test_cmyk_is_read_as_rgb(tmp_path):
    Image.new("CMYK", (17, 12), (0, 255, 255, 0)).save(tmp_path / "a.tif")
    np.testing.assert_array_equal(images.read(tmp_path / "a.tif"), [[[255, 0, 0]] * 17] * 12)


def test_transparency_shows_white(tmp_path):
    rgba = np.dstack([photo(), np.where(half_mask(), 255, 0).astype(np.uint8)])
    Image.fromarray(rgba).save(tmp_path / "a.png")
    expected = np.where(half_mask()[..., None], photo(), 255)
    np.testing.assert_array_equal(images.read(tmp_path / "a.png"), expected)


def test_a_transparent_palette_entry_shows_white(tmp_path):
    picture = Image.new("P", (17, 12), 1)
    picture.putpalette([0, 0, 0, 9, 9, 9])
    picture.putpixel((3, 2), 0)
    picture.save(tmp_path / "a.gif", transparency=0)
    back = images.read(tmp_path / "a.gif")
    assert back[2, 3].tolist() == [255, 255, 255]
    assert back[0, 0].tolist() == [9, 9, 9]


def test_the_exif_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its side
    Image.fromarray(photo()).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(images.read(tmp_path / "a.png"), np.rot90(photo(), -1))


def test_a_missing_picture_and_a_folder_are_refused(tmp_path):
    for reader in (images.read, images.read_mask):
        assert "no such file" in refusal(reader, tmp_path / "a.png")
        assert "folder" in refusal(reader, tmp_path)


@pytest.mark.parametrize("reader", [images.read, images.read_mask])
def test_a_text_is_no_picture(tmp_path, reader):
    (tmp_path / "a.png").write_text("once upon a time\n" * 50)
    assert "no picture" in refusal(reader, tmp_path / "a.png")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
@pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.9])
def test_a_picture_cut_short_is_refused(tmp_path, suffix, share):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(photo(90, 90)).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refusal(images.read, path)


def test_a_huge_picture_is_read_without_a_warning_and_a_gigantic_one_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    images.write(path, photo())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 150)  # the picture has 204
        assert images.read(path).shape == (12, 17, 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert "at most 200" in refusal(images.read, path)


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_pixels_of_unknown_range_are_refused(tmp_path, dtype):
    Image.fromarray(np.full((5, 5), 1e6, dtype)).save(tmp_path / "a.tif")
    assert "8 or 16 bits" in refusal(images.read, tmp_path / "a.tif")


def test_colours_that_pillow_cannot_convert_are_refused(tmp_path, monkeypatch):
    def refuse(*_):
        raise ValueError  # as Pillow 11 does for LAB

    images.write(tmp_path / "a.png", photo())
    monkeypatch.setattr(Image.Image, "convert", refuse)
    assert "colour mode RGB" in refusal(images.read, tmp_path / "a.png")


def test_a_file_that_may_not_be_read_says_so(tmp_path, monkeypatch):
    def deny(*_):
        raise PermissionError

    images.write(tmp_path / "a.png", photo())
    monkeypatch.setattr(Image, "open", deny)
    assert "may not be read" in refusal(images.read, tmp_path / "a.png")


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA", "P", "I;16"])
def test_white_is_selected_in_every_kind_of_mask_picture(tmp_path, mode):
    picture = Image.fromarray(half_mask().astype(np.uint8) * 255)
    if mode == "I;16":
        picture = Image.fromarray(half_mask().astype(np.uint16) * 65535)
    else:
        picture = picture.convert(mode)
    picture.save(tmp_path / "a.png")
    np.testing.assert_array_equal(images.read_mask(tmp_path / "a.png", (12, 17)), half_mask())


def test_a_cut_out_selects_what_is_opaque(tmp_path):
    rgba = np.dstack([photo(), np.where(half_mask(), 255, 0).astype(np.uint8)])
    Image.fromarray(rgba).save(tmp_path / "a.png")
    np.testing.assert_array_equal(images.read_mask(tmp_path / "a.png"), half_mask())


def test_a_mask_may_be_an_array(tmp_path):
    np.save(tmp_path / "a.npy", half_mask())
    np.savez(tmp_path / "a.npz", any_name=half_mask())
    np.testing.assert_array_equal(images.read_mask(tmp_path / "a.npy"), half_mask())
    np.testing.assert_array_equal(images.read_mask(tmp_path / "a.npz"), half_mask())


def test_a_mask_of_another_size_is_refused(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(half_mask()).save(path)
    assert "is 17x12 pixels; expected 12x17" in refusal(images.read_mask, path, (17, 12))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (np.zeros((5, 7), np.uint8), "uint8 of shape [5, 7]"),
        (np.zeros((2, 5, 7), bool), "bool of shape [2, 5, 7]"),
        (np.arange(35).reshape(5, 7), "int64 of shape [5, 7]"),
        (np.array([[None]], dtype=object), "broken"),
    ],
)
def test_an_array_that_is_no_mask_is_refused(tmp_path, content, complaint):
    np.save(tmp_path / "a.npy", content)
    assert complaint in refusal(images.read_mask, tmp_path / "a.npy")


def test_an_archive_must_hold_one_mask(tmp_path):
    np.savez(tmp_path / "a.npz", a=half_mask(), b=half_mask())
    assert "2 arrays" in refusal(images.read_mask, tmp_path / "a.npz")
    (tmp_path / "b.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:50])
    assert "broken" in refusal(images.read_mask, tmp_path / "b.npz")
    assert "no such file" in refusal(images.read_mask, tmp_path / "c.npz")


def test_a_picture_is_not_written_under_an_unknown_suffix_or_into_no_folder(tmp_path):
    with pytest.raises(ValueError, match=r"unknown suffix '.xyz'; expected one of .png"):
        images.write(tmp_path / "a.xyz", photo())
    with pytest.raises(ValueError, match="existing, writable folder"):
        images.write(tmp_path / "no" / "a.png", photo())
    assert not list(tmp_path.iterdir())


def test_every_byte_survives_the_way_to_floats_and_back():
    bytes_ = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    floats = images.to_float(bytes_)
    assert floats.dtype == np.float32
    assert (floats.min(), floats.max()) == (-1, 1)
    np.testing.assert_array_equal(images.to_uint8(floats), bytes_)
    np.testing.assert_array_equal(images.to_uint8(jnp.asarray(floats)), bytes_)


def test_floats_outside_the_range_are_clipped_and_nan_is_refused():
    values = np.array([[[-7.0, 1.5, np.inf]]], np.float32)
    np.testing.assert_array_equal(images.to_uint8(values), [[[0, 255, 255]]])
    with pytest.raises(ValueError, match="1 values are NaN"):
        images.to_uint8(np.full((1, 1, 1), np.nan, np.float32))


@pytest.mark.parametrize("convert", [lambda image: image, images.to_float])
@pytest.mark.parametrize("size", [(6, 5), (40, 50)])
def test_a_constant_picture_stays_constant_in_every_size(convert, size):
    image = convert(np.full((12, 17, 3), 51, np.uint8))
    resized = images.resize(image, *size)
    assert resized.dtype == image.dtype
    np.testing.assert_allclose(resized, np.full((*size, 3), image[0, 0, 0]), rtol=1e-6)


def test_shrinking_averages_what_it_drops():
    stripes = np.zeros((64, 64, 3), np.float32)
    stripes[:, ::2] = 1
    small = images.resize(stripes, 8, 8)
    np.testing.assert_allclose(small[:, 1:-1], 0.5, atol=0.02)


def test_resizing_to_the_same_size_changes_nothing():
    np.testing.assert_array_equal(images.resize(photo(), 12, 17), photo())


@pytest.mark.parametrize(
    ("photo_name", "mask_name", "motion"),
    [
        ("coffee.png", "coffee_mask.png", "translate dx=105 dy=0"),
        ("chelsea.png", "chelsea_mask.png", "scale factor=1.3"),
        ("rocket.jpg", "rocket_mask.png", "translate dx=0 dy=-100"),
    ],
)
def test_a_shipped_object_stays_in_its_photo_under_the_noticed_motion(
    photo_name, mask_name, motion
):
    shipped = images.read(SHIPPED / photo_name)
    mask = images.read_mask(SHIPPED / mask_name, shipped.shape[:2])
    assert motion in (SHIPPED / "NOTICE.md").read_text(encoding="utf-8")
    assert motions.leaving(motions.field(motions.parse(motion), mask), mask) == 0


def test_every_shipped_file_is_in_the_notice_with_its_digest():
    notice = (SHIPPED / "NOTICE.md").read_text(encoding="utf-8")
    noticed = {name: digest for digest, name in re.findall(r"^(\w{64})  (\S+)$", notice, re.M)}
    shipped = {
        path.relative_to(SHIPPED).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in SHIPPED.rglob("*")
        if path.is_file() and path.name not in ("NOTICE.md", "LICENSE")
    }
    assert noticed == shipped


def test_box_is_the_mean_of_each_cell():
    picture = images.to_float(photo(96, 144))
    found = images.box(picture, (24, 48))
    expected = picture.reshape(24, 4, 48, 3, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(13, 10), (32, 40), (200, 170)])
def test_box_keeps_a_constant_and_the_mean(shape):
    np.testing.assert_allclose(
        images.box(np.full((96, 144, 2), 0.7, np.float32), shape), 0.7, atol=1e-6
    )
    if shape[0] < 96:
        picture = images.to_float(photo(96, 144))
        assert images.box(picture, shape).mean() == pytest.approx(picture.mean(), abs=1e-3)


def test_pictures_of_another_kind_than_expected_are_refused():
    """Else floats would be nearly black, and bytes all white."""
    with pytest.raises(ValueError, match="image: float32; expected uint8"):
        images.to_float(photo().astype(np.float32) / 255)
    for array in (photo(), jnp.asarray(photo())):
        with pytest.raises(ValueError, match="image: uint8; expected floats"):
            images.to_uint8(array)


@pytest.mark.parametrize("shape", [(24, 36), (26, 35), (120, 99)])
def test_magnified_keeps_a_slope(shape):
    """Of a slope by one a cell; in the outermost half cells it is level."""
    slope = np.indices((6, 9)).astype(float).transpose(1, 2, 0)
    found = images.magnified(slope, shape)
    assert found.shape == (*shape, 2)
    for axis, cells in enumerate((6, 9)):
        place = (np.arange(shape[axis]) + 0.5) * cells / shape[axis] - 0.5
        wanted = np.clip(place, 0, cells - 1)
        line = np.moveaxis(found[..., axis], axis, 0)
        np.testing.assert_allclose(line, np.broadcast_to(wanted[:, None], line.shape), atol=1e-9)
