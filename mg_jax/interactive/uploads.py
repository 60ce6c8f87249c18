"""Pictures from a page: their size and format are checked before anything is decoded."""

import base64
import binascii
import hashlib
import io
import warnings

import numpy as np
from jaxtyping import Float32, Int32, UInt8
from PIL import Image

MOST_BYTES = 40 << 20
MOST_PIXELS = 50_000_000
FORMATS = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp"}
"""What is taken, and the suffix of its file."""


def checked(content: bytes, name: str) -> str:
    """Check a picture's bytes by their header alone; return the suffix of its format.

    Raises:
        ValueError: too many bytes or pixels, or no PNG, JPEG or WebP. The message begins with
            `name`.
    """
    if len(content) > MOST_BYTES:
        raise ValueError(f"{name}: {len(content)} bytes; expected at most {MOST_BYTES}")
    try:
        with (
            warnings.catch_warnings(action="ignore"),  # of many pixels, which are counted below
            Image.open(io.BytesIO(content), formats=tuple(FORMATS)) as image,
        ):
            found, (width, height) = image.format, image.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{name}: no picture; expected a PNG, JPEG or WebP") from error
    if width * height > MOST_PIXELS:
        raise ValueError(
            f"{name}: {width}x{height} pixels; expected at most {MOST_PIXELS / 1e6:.0f} million"
        )
    return FORMATS[found or ""]


def digest(content: bytes) -> str:
    """Sixteen letters that name a content."""
    return hashlib.sha256(content).hexdigest()[:16]


def decoded(text: object, name: str) -> bytes:
    """Decode base64, as pictures travel in messages.

    Raises:
        ValueError: it is none, or too long.
    """
    if not isinstance(text, str) or len(text) > MOST_BYTES * 4 // 3 + 4:
        raise ValueError(f"{name}: expected base64 of at most {MOST_BYTES} bytes")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"{name}: no base64") from error


def encoded(content: bytes) -> str:
    """Encode bytes for a message."""
    return base64.b64encode(content).decode()


def png(pixels: UInt8[np.ndarray, "h w *c"]) -> bytes:
    """Write a picture as PNG, quickly."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "png", compress_level=1)
    return stream.getvalue()


def numbers(array: Float32[np.ndarray, "..."] | Int32[np.ndarray, "..."]) -> str:
    """Encode numbers of 32 bits, little-endian, row by row."""
    return encoded(np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes())
