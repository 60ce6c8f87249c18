"""Photos as people have them: what an edit does not touch comes out of it bit for bit."""

import io
import struct
import sys
import types
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from flows import motions
from flows.motion import Motion
from mg_jax import images, photos

H, W = 32, 48
BOX = np.zeros((H, W), bool)
BOX[8:16, 6:16] = True
FLOW = motions.field(motions.parse("translate dx=20"), BOX)
REGION = Motion(FLOW).near(2.0)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
RED, BLUE = (0.4361, 0.2225, 0.0139), (0.1431, 0.0606, 0.7141)  # of sRGB, as profiles say it


def profile(space, name):
    """A small profile: RGB by a matrix, or grey, with a power of 2.2."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, int(2.2 * 256)) + bytes(2)
    text = name.encode()
    desc = b"desc" + bytes(4) + struct.pack(">I", len(text) + 1) + text + bytes(79)
    desc += bytes(-len(desc) % 4)

    def xyz(values):
        return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(65536 * v) for v in values))

    tags = {b"desc": desc, b"cprt": b"text" + bytes(8), b"wtpt": xyz((0.9642, 1.0, 0.8249))}
    if space == b"RGB ":
        green = tuple(w - r - b for w, r, b in zip((0.9642, 1, 0.8249), RED, BLUE, strict=True))
        tags |= {b"rXYZ": xyz(RED), b"gXYZ": xyz(green), b"bXYZ": xyz(BLUE)}
        tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    else:
        tags[b"kTRC"] = curve
    table, content, at = b"", b"", 128 + 4 + 12 * len(tags)
    for tag, data in tags.items():
        table += tag + struct.pack(">II", at + len(content), len(data))
        content += data
    body = struct.pack(">I", len(tags)) + table + content
    head = struct.pack(">I4sI4s4s4s", 128 + len(body), b"", 0x02100000, b"mntr", space, b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061) + bytes(48)
    return head[:128] + body


WIDE, GREY = profile(b"RGB ", "a wide one"), profile(b"GRAY", "grey, 2.2")


def colors(channels, dtype=np.uint8, seed=0):
    values = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, (H, W, channels))
    return values.astype(dtype)


def exif(orientation=1):
    found = Image.Exif()
    found[0x0112] = orientation
    found[0x010F] = "Maker"
    found.get_ifd(0x8769)[0x9003] = "2020:01:02 03:04:05"
    found.get_ifd(0x8825)[1] = "N"
    return found


def edited(photo):
    """An edit of the region: inverted colours, at every pixel another one."""
    return np.where(REGION[..., None], 255 - photo.pixels, photo.pixels)


def written(photo, path):
    """What an edit of the photo looks like in its file."""
    whole = photos.restored(photo.original, photo.pixels, edited(photo), REGION, Motion(FLOW))
    images.write(path, whole, photo.original.profile, photo.original.exif)
    return path


def stored(path):
    """All bits of a file's pixels, by Pillow, which knows no 16 bits of colours, or by OpenCV."""
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if pixels.dtype == np.uint8:
        with Image.open(path) as picture:
            pixels = np.array(picture)
    return pixels if pixels.ndim == 3 else pixels[..., None]


def png(path, pixels, **about):
    if pixels.dtype == np.uint16:
        order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[pixels.shape[2]]
        cv2.imwrite(str(path), pixels[..., order])
    else:
        Image.fromarray(pixels.squeeze()).save(path, **about)
    return path


KINDS = [(c, d) for c in (1, 2, 3, 4) for d in (np.uint8, np.uint16) if (c, d) != (2, np.uint16)]


@pytest.mark.parametrize(("channels", "dtype"), KINDS)
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_what_is_not_edited_keeps_every_bit_depth_and_opacity(tmp_path, channels, dtype, suffix):
    pixels = colors(channels, dtype)
    source = tmp_path / f"source{suffix}"
    if suffix == ".png" or dtype == np.uint8:
        png(source, pixels)
    else:
        cv2.imwrite(str(source), pixels[..., {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels]])
    photo = photos.read(source)
    out = stored(written(photo, tmp_path / "out.png"))
    before = stored(source)
    assert (out.dtype, out.shape) == (before.dtype, before.shape)
    np.testing.assert_array_equal(out[~REGION], before[~REGION])
    assert (out != before).any(axis=-1)[REGION].mean() > 0.9


@pytest.mark.parametrize(("channels", "dtype"), KINDS)
def test_what_is_edited_is_the_edit(tmp_path, channels, dtype):
    """Of grey photos its brightness; over white, where the photo is transparent."""
    photo = photos.read(png(tmp_path / "a.png", colors(channels, dtype)))
    back = photos.read(written(photo, tmp_path / "out.png")).pixels.astype(int)
    asked = edited(photo).astype(int)
    assert np.abs(back - asked)[REGION].max() <= 1 + 255 * (channels == 2) // 255


def test_opacity_moves_along():
    pixels = np.zeros((H, W, 4), np.uint8)
    pixels[BOX] = (200, 100, 50, 255)
    photo = photos.of_pillow(Image.fromarray(pixels), "image")
    moved = np.full((H, W, 3), 255, np.uint8)
    landed = np.roll(BOX, 20, axis=1)
    moved[landed] = (200, 100, 50)
    out = photos.restored(photo.original, photo.pixels, moved, REGION, Motion(FLOW))
    np.testing.assert_array_equal(out[landed], pixels[BOX])
    assert not out[BOX][:, 3].any()
    np.testing.assert_array_equal(out[~REGION], pixels[~REGION])


def test_white_that_moves_onto_nothing_is_opaque():
    pixels = np.zeros((H, W, 4), np.uint8)
    pixels[BOX] = 255
    photo = photos.of_pillow(Image.fromarray(pixels), "image")
    white = np.full((H, W, 3), 255, np.uint8)
    out = photos.restored(photo.original, photo.pixels, white, REGION, Motion(FLOW))
    assert (out[np.roll(BOX, 20, axis=1)] == 255).all()


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".avif"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_profile_and_exif_are_kept_and_the_photo_is_upright(tmp_path, suffix, orientation):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(colors(3)).save(path, icc_profile=WIDE, exif=exif(orientation))
    photo = photos.read(path)
    assert photo.orientation == orientation
    upright = (W, H, 3) if orientation > 4 else (H, W, 3)
    assert photo.pixels.shape == upright
    images.write(tmp_path / "out.png", photo.pixels, photo.original.profile, photo.original.exif)
    with Image.open(tmp_path / "out.png") as out:
        assert out.info["icc_profile"] == WIDE
        kept = out.getexif()
        assert kept.get(0x0112, 1) == 1
        assert kept[0x010F] == "Maker"
        if suffix != ".tif":  # Pillow writes none there
            assert kept.get_ifd(0x8769)[0x9003] == "2020:01:02 03:04:05"
            assert kept.get_ifd(0x8825)[1] == "N"
    again = photos.read(tmp_path / "out.png")
    np.testing.assert_array_equal(again.pixels, photo.pixels)
    assert again.orientation == 1


def test_profile_and_exif_are_kept_beside_16_bits(tmp_path):
    original = photos.Original(colors(3, np.uint16), WIDE, exif().tobytes())
    images.write(tmp_path / "a.png", original.pixels, original.profile, original.exif)
    photo = photos.read(tmp_path / "a.png")
    np.testing.assert_array_equal(photo.original.pixels, original.pixels)
    assert photo.original.profile == WIDE
    about = exif()
    del about[0x0112]
    assert photo.original.exif == about.tobytes()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_deep_photos_are_turned_as_others(tmp_path, orientation, dtype):
    pixels = colors(3, dtype)
    images.write(tmp_path / "a.png", pixels, exif=exif(orientation).tobytes())
    photo = photos.read(tmp_path / "a.png")
    eight = pixels if dtype == np.uint8 else np.rint(pixels / 257).astype(np.uint8)
    stored8 = Image.fromarray(eight)
    stored8.getexif()[0x0112] = orientation
    np.testing.assert_array_equal(photo.pixels, photos.of_pillow(stored8, "image").pixels)


def test_a_grey_profile_stays_with_grey_and_leaves_colours(tmp_path):
    for channels, profile_, kept in (
        (1, GREY, GREY),
        (1, WIDE, WIDE),
        (3, GREY, b""),
        (3, b"x", b""),
    ):
        png(tmp_path / "a.png", colors(channels), icc_profile=profile_)
        photo = photos.read(tmp_path / "a.png")
        assert photo.original.profile == kept
        assert ("profile" in "".join(photo.notes)) == (kept == b"")
        out = written(photo, tmp_path / "out.png")
        with Image.open(out) as picture:
            assert picture.mode == ("L" if kept == GREY else "RGB")
            assert picture.info.get("icc_profile", b"") == kept


def test_colours_of_lab_are_converted_and_cmyk_says_that_it_was(tmp_path):
    lab = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
    flat = Image.new("RGB", (W, H), (200, 100, 50))
    ImageCms.applyTransform(flat, lab).save(tmp_path / "lab.tif")
    flat.convert("CMYK").save(tmp_path / "cmyk.jpg", quality=95)
    for name, said in (("lab.tif", "converted to sRGB"), ("cmyk.jpg", "converted plainly")):
        photo = photos.read(tmp_path / name)
        assert np.abs(photo.pixels.astype(int) - (200, 100, 50)).max() <= 4
        assert said in photo.notes[0]
        assert photo.original.pixels is None


def test_what_is_decided_in_reading_is_one_line_each(tmp_path):
    clear = colors(4)
    png(tmp_path / "clear.png", clear)
    clear[..., 3] = 255
    png(tmp_path / "opaque.png", clear)
    png(tmp_path / "deep.png", colors(3, np.uint16))
    frames = [Image.fromarray(colors(3, seed=seed)) for seed in (0, 1)]
    frames[0].save(tmp_path / "film.webp", save_all=True, append_images=frames[1:], lossless=True)
    said = {
        "clear.png": ["is transparent"],
        "opaque.png": [],
        "deep.png": ["16 bits"],
        "film.webp": ["has 2 frames; the first"],
    }
    for name, lines in said.items():
        notes = photos.read(tmp_path / name).notes
        assert len(notes) == len(lines)
        for note, line in zip(notes, lines, strict=True):
            assert note.startswith(f"{tmp_path / name}: ")
            assert line in note


def test_a_palette_with_transparency_keeps_it(tmp_path):
    picture = Image.fromarray(colors(3)).quantize(16)
    picture.save(tmp_path / "a.png", transparency=3)
    photo = photos.read(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as stored_picture:
        np.testing.assert_array_equal(photo.original.pixels, stored_picture.convert("RGBA"))


def test_broken_exif_does_not_lose_the_photo(tmp_path):
    Image.fromarray(colors(3)).save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff")
    assert photos.read(tmp_path / "a.jpg").pixels.shape == (H, W, 3)


def heic(path):
    path.write_bytes(struct.pack(">I", 24) + b"ftypheic" + bytes(12))
    return path


def test_heic_names_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(ValueError, match=r"a\.heic: is HEIC; expected .*pip install pillow-heif$"):
        photos.read(heic(tmp_path / "a.heic"))


def test_heic_is_read_where_it_can_be(tmp_path, monkeypatch):
    """By whatever pillow-heif registers with Pillow."""
    reader = types.ModuleType("pillow_heif")

    def register():
        Image.register_open("HEIF", lambda *_: Image.new("RGB", (W, H), (1, 2, 3)), lambda _: True)

    reader.register_heif_opener = register
    monkeypatch.setitem(sys.modules, "pillow_heif", reader)
    monkeypatch.setattr(Image, "OPEN", dict(Image.OPEN))
    monkeypatch.setattr(Image, "ID", list(Image.ID))
    assert photos.read(heic(tmp_path / "a.heic")).pixels[0, 0].tolist() == [1, 2, 3]


def test_a_written_16_bit_picture_has_whole_chunks(tmp_path):
    images.write(tmp_path / "a.png", colors(3, np.uint16), WIDE, exif().tobytes())
    content = (tmp_path / "a.png").read_bytes()
    at, names = 8, []
    while at < len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        name, end = content[at + 4 : at + 8], at + 8 + length
        assert struct.unpack(">I", content[end : end + 4])[0] == zlib.crc32(content[at + 4 : end])
        names.append(name)
        at = end + 4
    assert names[:3] == [b"IHDR", b"iCCP", b"eXIf"]
    assert Image.open(io.BytesIO(content)).info["icc_profile"] == WIDE
