"""Open picture files of any kind that Pillow knows, and HEIC where pillow-heif is installed.

Every fault is a `ValueError` of one line: FILE: what is wrong; expected what.
"""

import importlib
import io
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Shaped
from PIL import Image, ImageOps, TiffImagePlugin, UnidentifiedImageError

from flows.files.broken import BROKEN

ORIENTATION = 0x0112  # EXIF's tag: 1 upright, 2 to 8 mirrored, turned or both

# The brand, bytes 8 to 12, of a HEIC file (ISO/IEC 23008-12, 10.2).
_HEIC = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"})
# What a TIFF's tags say about the photo; its others say how the pixels are stored.
_ABOUT = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298)
_DIRECTORIES = (0x8769, 0x8825)  # EXIF's own tags, and those of the place


class Opened(NamedTuple):
    """A picture as it is seen, and what its file says besides."""

    image: Image.Image  # decoded, turned upright
    orientation: int  # by EXIF, applied already; 1 to 8
    exif: bytes  # without the orientation; empty if there is none
    frames: int  # the image is the first
    bits: int = 8  # a channel, in the file; Pillow decodes no more than 8 in colours
    content: bytes = b""  # of the file


def opened(path: Path) -> Opened:
    """Open a picture, decode its first frame and turn it upright.

    Raises:
        ValueError: missing, a folder, no picture, cut short, above Pillow's limit of 179 million
            pixels, or HEIC without pillow-heif.
    """
    if path.is_dir():
        raise ValueError(f"{path}: is a folder; expected a picture")
    if not path.exists():
        raise ValueError(f"{path}: no such file; expected a picture")
    try:
        content = path.read_bytes()
        _learn_heic(content)
        with warnings.catch_warnings():
            # Pillow warns above 89 million pixels, and raises above twice as many.
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(content))
            return upright(image)._replace(bits=_bits(image, content), content=content)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"{path}: is HEIC; expected a JPEG or PNG, or pillow-heif to read it, as by"
            " pip install pillow-heif"
        ) from error
    except UnidentifiedImageError as error:
        raise ValueError(f"{path}: is no picture; expected a PNG, JPEG, WebP …") from error
    except PermissionError as error:
        raise ValueError(f"{path}: may not be read; expected a readable picture") from error
    except Image.DecompressionBombError as error:
        raise ValueError(
            f"{path}: has too many pixels; expected at most {2 * (Image.MAX_IMAGE_PIXELS or 0)}"
        ) from error
    except BROKEN as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"{path}: broken or cut short ({reason}); expected a whole picture"
        ) from error


def upright(image: Image.Image) -> Opened:
    """Turn an open picture upright, as its EXIF says. Raises what Pillow raises for broken ones."""
    exif = image.getexif()
    orientation = exif.get(ORIENTATION, 1)
    about = _about(image, exif)
    frames = getattr(image, "n_frames", 1) if image.format != "MPO" else 1  # MPO: a phone's JPEG
    return Opened(
        ImageOps.exif_transpose(image),
        orientation if orientation in range(1, 9) else 1,
        about,
        frames,
    )


def turned(pixels: Shaped[np.ndarray, "h w *c"], orientation: int) -> Shaped[np.ndarray, "_ _ *c"]:
    """Turn pixels upright that are stored with an EXIF orientation, 1 to 8."""
    if orientation in (5, 6, 7, 8):
        pixels = np.swapaxes(pixels, 0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _bits(image: Image.Image, content: bytes) -> int:
    """Bits a channel of a PNG's or TIFF's header; 8 for other formats."""
    if image.format == "PNG":
        return content[24]
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return int(max(image.tag_v2.get(258, (8,))))
    return 8


def _about(image: Image.Image, exif: Image.Exif) -> bytes:
    """What the EXIF data says, but for the orientation; none if it cannot be written."""
    kept = Image.Exif()
    tags = _ABOUT if image.format == "TIFF" else [*exif]
    try:
        for tag in tags:
            if tag in exif and tag not in (ORIENTATION, *_DIRECTORIES):
                kept[tag] = exif[tag]
        for directory in _DIRECTORIES:
            if tagged := exif.get_ifd(directory):
                kept.get_ifd(directory).update(tagged)
        found = any(True for _ in kept) or any(kept.get_ifd(d) for d in _DIRECTORIES)
        return kept.tobytes() if found else b""
    except BROKEN:
        return b""


def _learn_heic(content: bytes) -> None:
    """Teach Pillow to read HEIC, if this is such a file, by the optional pillow-heif."""
    if content[4:8] == b"ftyp" and content[8:12] in _HEIC:
        importlib.import_module("pillow_heif").register_heif_opener()
