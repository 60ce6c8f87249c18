"""Photos as people have them: what is edited, and what of the file the result must keep.

An edit works on 8-bit red, green and blue, upright, over white. A photo may hold more: a colour
profile, EXIF, opacity, 16 bits, or grey alone. `restored` puts an edit into these, so that what it
has not changed stays as it was, bit for bit.
"""

import io
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Shaped, UInt8
from PIL import Image, ImageCms

from flows.files.broken import BROKEN
from flows.motion import Motion
from mg_jax.filling import carried_out
from mg_jax.picture_files import Opened, opened, turned, upright

_DEEP = 257  # 16-bit values per 8-bit one
_SPACES = {1: b"GRAY", 2: b"GRAY", 3: b"RGB ", 4: b"RGB "}  # of a profile, by channels
_BY_PROFILE = ("CMYK", "LAB")  # modes whose colours a profile converts


class Original(NamedTuple):
    """What a photo holds besides 8-bit red, green and blue: results keep it."""

    pixels: Shaped[np.ndarray, "h w c"] | None = None
    """uint8 or uint16; c is 1 (grey), 2 (grey, opacity), 3 or 4; None: 8-bit colours alone."""
    profile: bytes = b""  # the ICC profile of the colours
    exif: bytes = b""  # without the orientation, which has been applied


PLAIN = Original()
"""Nothing besides 8-bit colours."""


class Photo(NamedTuple):
    """A photo, turned upright as its EXIF says."""

    pixels: UInt8[np.ndarray, "h w 3"]  # what is edited: in the photo's own colours, over white
    original: Original = PLAIN
    orientation: int = 1  # by EXIF, 1 to 8: how the file stores it
    notes: tuple[str, ...] = ()  # what was decided in reading it, one line each


def read(path: str | os.PathLike[str]) -> Photo:
    """Read a photo of any common kind: grey, palette, 16-bit, CMYK, transparent, turned, HEIC.

    Raises:
        ValueError: missing, a folder, no picture, cut short, above Pillow's limit of
            179 million pixels, HEIC without pillow-heif, or pixels of an unknown range.
    """
    return _photo(opened(Path(path)), str(path))


def of_pillow(image: Image.Image, name: str) -> Photo:
    """Convert an open Pillow picture, as `read` does for a file.

    Raises:
        ValueError: it cannot be a photo; the message begins with `name`.
    """
    return _photo(upright(image), name)


def restored(
    original: Original,
    source: UInt8[np.ndarray, "h w 3"],
    edited: UInt8[np.ndarray, "h w 3"],
    region: Bool[np.ndarray, "h w"],
    motion: Motion,
) -> Shaped[np.ndarray, "h w c"]:
    """Put an edit of `source` into the photo's own channels and depth.

    What has not changed, as all outside `region`, keeps every bit. Opacity moves along with the
    motion in `region`, and is at least what the edited colour over white needs.
    """
    own = original.pixels
    if own is None:
        return edited
    channels, depth = own.shape[2], _DEEP if own.dtype == np.uint16 else 1
    colors = edited.astype(np.float64)
    changed = (edited != source).any(axis=-1)
    opacity = np.zeros((*region.shape, 0))
    if channels in (2, 4):
        before = moved = _eight(own[..., -1])
        if before.min() < before.max():
            moved = carried_out(np.repeat(before[..., None], 3, axis=-1), motion)[..., 0]
        changed |= region & (moved != before)
        opacity = np.maximum(moved, 255 - edited.min(axis=-1))[..., None]
        colors = 255 - (255 - colors) * 255 / np.maximum(opacity, 1)
    if channels <= 2:
        colors = colors.mean(axis=-1, keepdims=True)
    made = np.rint(np.clip(np.concatenate([colors, opacity], axis=-1), 0, 255) * depth)
    return np.where(changed[..., None], made.astype(own.dtype), own)


def _photo(found: Opened, name: str) -> Photo:
    own, profile, notes = _own(found, name)
    pixels = _seen(own)
    if found.frames > 1:
        notes.append(f"{name}: has {found.frames} frames; the first is taken")
    if own.shape[2] in (2, 4) and _eight(own[..., -1]).min() < 255:
        notes.append(f"{name}: is transparent; edited over white, its opacity kept")
    if own.dtype == np.uint16:
        notes.append(f"{name}: has 16 bits a channel; kept, but for what the edit makes of 8")
    plain = own.dtype == np.uint8 and own.shape[2] == 3
    original = Original(None if plain else own, profile, found.exif)
    return Photo(pixels, original, found.orientation, tuple(notes))


def _own(found: Opened, name: str) -> tuple[Shaped[np.ndarray, "h w c"], bytes, list[str]]:
    """The photo's own channels and their profile, and notes."""
    image = found.image
    profile = image.info.get("icc_profile") or b""
    notes = []
    converted = _to_srgb(image, profile) if image.mode in _BY_PROFILE else None
    if converted is not None:
        own, profile = np.asarray(converted), b""
        notes.append(f"{name}: is {image.mode}; converted to sRGB by its profile")
    else:
        own = _channels(image, name)
        if image.mode in _BY_PROFILE:
            profile = b""
            notes.append(f"{name}: is {image.mode} without a usable profile; converted plainly")
    if own.ndim == 2:
        own = own[..., None]
    if found.bits > 8 and own.dtype == np.uint8:
        deep = _deep(found, own)
        if deep is None:
            notes.append(f"{name}: has {found.bits} bits a channel, of which 8 are read")
        else:
            own = deep
    space = profile[16:20]
    if space == b"RGB " and own.shape[2] <= 2:
        own = np.concatenate([np.repeat(own[..., :1], 3, axis=-1), own[..., 1:]], axis=-1)
    if profile and space != _SPACES[own.shape[2]]:
        profile = b""
        notes.append(f"{name}: its colour profile is for other colours, and left out")
    return own, profile, notes


def _deep(found: Opened, shallow: UInt8[np.ndarray, "h w c"]) -> Shaped[np.ndarray, "h w _"] | None:
    """The 16-bit pixels of a coloured picture; None if they cannot be read."""
    import cv2  # Pillow reads no more than 8 bits of a coloured picture

    deep = cv2.imdecode(np.frombuffer(found.content, np.uint8), cv2.IMREAD_UNCHANGED)
    if deep is None or deep.dtype != np.uint16 or deep.ndim != 3:
        return None
    deep = turned(deep[..., [2, 1, 0, 3][: deep.shape[2]]], found.orientation)
    if deep.shape != shallow.shape:
        return None
    agrees = np.abs(deep.astype(np.int64) // 256 - shallow).max() <= 1
    return deep if agrees else None


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image | None:
    """Convert colours by their profile; None if there is none that fits."""
    try:
        if image.mode == "LAB":
            of = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        elif profile[16:20] == b"CMYK":
            of = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        else:
            return None
        to = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, of, to, outputMode="RGB")
    except (ImageCms.PyCMSError, *BROKEN):
        return None


def _channels(image: Image.Image, name: str) -> Shaped[np.ndarray, "h w *c"]:
    """Grey of 8 or 16 bits, or 8-bit colours, with opacity if there is any transparency."""
    if image.mode == "F":
        raise ValueError(f"{name}: holds floating-point pixels; expected 8 or 16 bits a channel")
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError(f"{name}: holds 32-bit pixels; expected 8 or 16 bits a channel")
        return values.astype(np.uint16)
    grey = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        return np.array(image.convert("LA" if grey else "RGBA"))
    try:
        return np.array(image.convert("L" if grey else "RGB"))
    except ValueError as error:
        raise ValueError(
            f"{name}: has the colour mode {image.mode}; expected one like RGB or grey"
        ) from error


def _seen(own: Shaped[np.ndarray, "h w c"]) -> UInt8[np.ndarray, "h w 3"]:
    """The photo in 8 bits over white."""
    colors = _eight(own if own.shape[2] in (1, 3) else own[..., :-1])
    if own.shape[2] in (2, 4):
        opacity = _eight(own[..., -1:]).astype(np.float32) / 255
        colors = np.rint(255 - (255 - colors.astype(np.float32)) * opacity).astype(np.uint8)
    return np.repeat(colors, 3, axis=-1) if colors.shape[2] == 1 else colors


def _eight(values: Shaped[np.ndarray, "*n"]) -> UInt8[np.ndarray, "*n"]:
    if values.dtype == np.uint8:
        return values
    return np.rint(values / np.float32(_DEEP)).astype(np.uint8)
