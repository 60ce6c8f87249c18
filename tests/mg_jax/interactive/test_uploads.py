"""Pictures from a page are refused by their header, before anything is decoded."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from mg_jax.interactive import uploads


def saved(kind):
    stream = io.BytesIO()
    Image.new("RGB", (20, 20)).save(stream, kind)
    return stream.getvalue()


def claims(width, height):
    """A PNG that claims to be large, and is a hundred bytes."""

    def chunk(name, content):
        crc = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", uploads.FORMATS)
def test_png_jpeg_and_webp_are_taken(kind):
    assert uploads.checked(saved(kind), "photo") == uploads.FORMATS[kind]


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "BMP", "PDF", "EPS"])
def test_nothing_else_is(kind):
    with pytest.raises(ValueError, match=r"^photo: no picture; expected a PNG, JPEG or WebP$"):
        uploads.checked(saved(kind), "photo")


@pytest.mark.parametrize("size", [(10_000, 10_000), (60_000, 60_000), (2**31 - 1, 2)])
def test_a_picture_that_claims_to_be_large_is_not_decoded(size):
    with pytest.raises(ValueError, match=r"^photo: .*(pixels|no picture)"):
        uploads.checked(claims(*size), "photo")


def test_bytes_are_limited(monkeypatch):
    monkeypatch.setattr(uploads, "MOST_BYTES", 30)
    with pytest.raises(ValueError, match=r"^photo: \d+ bytes; expected at most 30$"):
        uploads.checked(saved("PNG"), "photo")
    with pytest.raises(ValueError, match=r"^photo: expected base64"):
        uploads.decoded("A" * 100, "photo")


def test_numbers_and_bytes_travel():
    array = np.array([[1.5, -2.0]], np.float32)
    sent = uploads.decoded(uploads.numbers(array), "x")
    np.testing.assert_array_equal(np.frombuffer(sent, "<f4"), [1.5, -2])
    for bad in ("no base64!", 3, None):
        with pytest.raises(ValueError, match=r"^x: "):
            uploads.decoded(bad, "x")
