"""Read, convert, resize and write pictures.

Outside, a picture is uint8 [H, W, 3]; inside, float32 in [−1, 1]. Every error about a file is a
`ValueError` of one line: FILE: what is wrong; expected what.
"""

import os
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Float32, Shaped, UInt8
from PIL import Image
from scipy import ndimage

from flows.files import atomic
from mg_jax import mask_files, photos

_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
_HEADER = 33  # bytes of a PNG before its second chunk


def read(path: str | os.PathLike[str]) -> UInt8[np.ndarray, "h w 3"]:
    """Read a picture's 8-bit pixels, upright and over white: see `photos.read`, which keeps more.

    Raises:
        ValueError: as for `photos.read`.
    """
    return photos.read(path).pixels


def read_mask(
    path: str | os.PathLike[str], shape: tuple[int, int] | None = None
) -> Bool[np.ndarray, "h w"]:
    """Read a mask: see `mask_files.read`, which also says what was decided.

    Raises:
        ValueError: as for `mask_files.read`.
    """
    return mask_files.read(path, shape).mask


def write(
    path: str | os.PathLike[str],
    image: Shaped[np.ndarray, "h w c"],
    profile: bytes = b"",
    exif: bytes = b"",
) -> None:
    """Write a picture as .png, .jpg or .webp; the file appears whole or not at all.

    Args:
        path: the file.
        image: uint8, or uint16 for .png; 1 to 4 channels: grey or colours, perhaps with opacity.
        profile: the ICC profile of its colours, if any.
        exif: EXIF data as Pillow writes them, if any.

    Raises:
        ValueError: unknown suffix, or a folder that is missing or may not be written.
    """
    path = Path(path)
    form = _FORMATS.get(path.suffix.lower())
    if form is None:
        known = ", ".join(_FORMATS)
        raise ValueError(f"{path}: unknown suffix {path.suffix!r}; expected one of {known}")
    about: dict[str, Any] = {}
    if profile:
        about["icc_profile"] = profile
    if exif:
        about["exif"] = exif
    with atomic(path) as stream:
        if image.dtype == np.uint16 and image.shape[2] > 1:
            _write_deep(stream, image, profile, exif)
        else:
            plain = image[..., 0] if image.shape[2] == 1 else image
            Image.fromarray(plain).save(stream, format=form, quality=95, **about)


def _write_deep(
    stream: BinaryIO, image: Shaped[np.ndarray, "h w c"], profile: bytes, exif: bytes
) -> None:
    """Write a PNG of 16-bit colours, which Pillow cannot; OpenCV can, but without the rest."""
    import cv2

    if image.shape[2] == 2:  # OpenCV has no grey with opacity
        image = image[..., [0, 0, 0, 1]]
    content = cv2.imencode(".png", image[..., [2, 1, 0, 3][: image.shape[2]]])[1].tobytes()
    stream.write(content[:_HEADER])
    if profile:
        stream.write(_chunk(b"iCCP", b"ICC\0\0" + zlib.compress(profile)))
    if exif:
        stream.write(_chunk(b"eXIf", exif.removeprefix(b"Exif\0\0")))
    stream.write(content[_HEADER:])


def _chunk(name: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    ends = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + ends


def to_float(image: Shaped[np.ndarray, "*batch h w c"]) -> Float32[np.ndarray, "*batch h w c"]:
    """Map uint8, 0…255, to −1…1.

    Raises:
        ValueError: another dtype: floats in [−1, 1] or [0, 1] would become nearly black.
    """
    if image.dtype != np.uint8:
        raise ValueError(f"image: {image.dtype}; expected uint8, 0 to 255")
    return (image.astype(np.float32) / 127.5 - 1).astype(np.float32)


def to_uint8(
    image: Shaped[np.ndarray | Array, "*batch h w c"],
) -> UInt8[np.ndarray, "*batch h w c"]:
    """Map floats, −1…1, to 0…255, rounded; values outside are clipped.

    Raises:
        ValueError: a value is NaN, or the dtype is no float.
    """
    if not jnp.issubdtype(image.dtype, jnp.floating):
        raise ValueError(f"image: {image.dtype}; expected floats in [-1, 1]")
    values = np.asarray(image, np.float32)
    bad = int(np.isnan(values).sum())
    if bad:
        raise ValueError(f"image: {bad} values are NaN; expected numbers in [-1, 1]")
    return np.round((np.clip(values, -1, 1) + 1) * 127.5).astype(np.uint8)


def resize(
    image: UInt8[np.ndarray, "h w c"] | Float32[np.ndarray, "h w c"], height: int, width: int
) -> UInt8[np.ndarray, "{height} {width} c"] | Float32[np.ndarray, "{height} {width} c"]:
    """Resample a picture: bicubic, antialiased when it shrinks; keeps the dtype.

    Float values may overshoot their range a little at edges, as bicubic does.
    """
    channels = [
        Image.fromarray(np.ascontiguousarray(image[..., channel])).resize(
            (width, height), Image.Resampling.BICUBIC
        )
        for channel in range(image.shape[2])
    ]
    return np.stack([np.array(channel) for channel in channels], axis=-1)


def grid_shape(shape: tuple[int, ...], side: int, unit: int, least: int) -> tuple[int, int]:
    """Rows and columns of a grid over a picture of `shape` (height, width).

    About side² cells in the picture's proportions; multiples of `unit`, and at least `least`.
    """
    height, width = shape
    aspect = (height / width) ** 0.5

    def rounded(length: float) -> int:
        return max(least, unit * round(length / unit))

    return rounded(side * aspect), rounded(side / aspect)


def box(picture: Float[np.ndarray, "H W c"], shape: tuple[int, int]) -> Float[np.ndarray, "h w c"]:
    """Average the pixels in each cell of a grid with `shape` (rows, columns) over the picture."""
    channels = [
        Image.fromarray(np.ascontiguousarray(picture[..., c], np.float32)).resize(
            shape[::-1], Image.Resampling.BOX
        )
        for c in range(picture.shape[-1])
    ]
    return np.stack([np.asarray(channel) for channel in channels], axis=-1)


def magnified(
    picture: Float[np.ndarray, "h w c"], shape: tuple[int, ...]
) -> Float[np.ndarray, "H W c"]:
    """Enlarge a grid bilinearly to a larger `shape` (rows, columns), pixel areas aligned."""
    factors = (shape[0] / picture.shape[0], shape[1] / picture.shape[1], 1)
    return np.asarray(ndimage.zoom(picture, factors, order=1, mode="nearest", grid_mode=True))
