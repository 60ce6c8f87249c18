"""KITTI's 16-bit .png, channel by channel."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from flows import files


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(rows):
    """A 16-bit RGB picture, made without the library that reads it."""
    values = np.asarray(rows, ">u2")
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, 2, 0, 0, 0)
    lines = b"".join(b"\0" + row.tobytes() for row in values)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def refusal(path):
    with pytest.raises(ValueError, match="expected") as caught:
        files.read(path)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


def test_red_is_dx_green_is_dy_and_blue_says_what_is_known(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(
        png([[(2**15 + 64, 2**15 - 32, 1), (0, 0, 0)], [(0, 65535, 1), (9, 9, 65535)]])
    )
    found = files.read_sparse(path)
    assert found.known.tolist() == [[True, False], [True, True]]
    np.testing.assert_array_equal(found.flow[0], [[1, -0.5], [0, 0]])
    np.testing.assert_array_equal(found.flow[1, 0], [-512, 512 - 1 / 64])


def test_every_value_that_a_file_can_hold_is_written_as_it_was_read(tmp_path):
    first, second = tmp_path / "a.png", tmp_path / "b.png"
    every = np.arange(2**16).reshape(256, 256)
    first.write_bytes(png(np.stack([every, every[::-1], np.ones_like(every)], axis=-1)))
    found = files.read(first)
    files.write(second, found)
    np.testing.assert_array_equal(files.read(second), found)
    np.testing.assert_array_equal(found[..., 0] * 64 + 2**15, every)


def test_motions_are_rounded_to_64ths(tmp_path):
    path = tmp_path / "a.png"
    flow = np.random.default_rng(0).normal(0, 90, (20, 30, 2)).astype(np.float32)
    files.write(path, flow)
    found = files.read(path)
    assert np.abs(found - flow).max() <= 1 / 128
    assert (found * 64 % 1 == 0).all()


@pytest.mark.parametrize("value", [512, -512.01, 511.995, 1e9])
def test_a_motion_that_does_not_fit_is_not_written(tmp_path, value):
    flow = np.zeros((4, 5, 2), np.float32)
    flow[1, 2, 1] = value
    with pytest.raises(ValueError, match="1 pixels move by 512 pixels or more"):
        files.write(tmp_path / "a.png", flow)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("picture", "complaint"),
    [
        (np.zeros((4, 5, 3), np.uint8), "uint8"),
        (np.zeros((4, 5), np.uint16), "[4, 5]"),
    ],
)
def test_other_pictures_are_refused(tmp_path, picture, complaint):
    path = tmp_path / "a.png"
    Image.fromarray(picture).save(path)
    assert complaint in refusal(path)


@pytest.mark.parametrize("place", [20, 60, -20])
def test_a_damaged_file_is_refused_without_a_word_on_standard_error(tmp_path, place, capfd):
    path = tmp_path / "a.png"
    content = bytearray(png(np.random.default_rng(0).integers(0, 2**16, (9, 9, 3))))
    content[place] ^= 255
    path.write_bytes(content)
    assert "expected a whole PNG" in refusal(path)
    assert capfd.readouterr().err == ""
