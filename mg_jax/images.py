"""Read, convert, resize and write pictures.

Outside, a picture is uint8 [H, W, 3]; inside, float32 in [−1, 1]. Every error about a file is a
`ValueError` of one line: FILE: what is wrong; expected what.
"""

import os
import warnings
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Float32, Shaped, UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from flows.files import atomic
from flows.files.broken import BROKEN

_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


def read(path: str | os.PathLike[str]) -> UInt8[np.ndarray, "h w 3"]:
    """Read a photo of any common kind: grey, palette, 16-bit, CMYK, transparent, EXIF-rotated.

    Transparency is composited over white, more than 8 bits are rounded to 8, the EXIF
    orientation is applied, the first frame of an animation is taken. Colour profiles are ignored.

    Raises:
        ValueError: missing, a folder, no picture, cut short, or above Pillow's limit of
            179 million pixels.
    """
    return of_pillow(_opened(Path(path)), str(path))


def of_pillow(image: Image.Image, name: str) -> UInt8[np.ndarray, "h w 3"]:
    """Convert an open Pillow picture to pixels, as `read` does for a file.

    Raises:
        ValueError: it cannot be a photo; the message begins with `name`.
    """
    image = _eight_bits(image, name)
    if image.has_transparency_data:
        colours = image.convert("RGBA")
        white = Image.new("RGBA", colours.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, colours)
    try:
        return np.array(image.convert("RGB"))
    except ValueError as error:
        raise ValueError(
            f"{name}: has the colour mode {image.mode}; expected one like RGB or grey"
        ) from error


def read_mask(
    path: str | os.PathLike[str], shape: tuple[int, int] | None = None
) -> Bool[np.ndarray, "h w"]:
    """Read a mask: True where the picture is white, or opaque if it has transparent pixels.

    The threshold is half. `.npy`, and `.npz` with one array, hold booleans [H, W].

    Args:
        path: a picture or an array file.
        shape: the (height, width) that the mask must have, if any.

    Raises:
        ValueError: as for `read`; an array is not boolean [H, W]; another size than `shape`.
    """
    path = Path(path)
    if path.suffix.lower() in (".npy", ".npz"):
        mask = _array_mask(path)
    else:
        mask = mask_of_pillow(_opened(path), str(path))
    if shape is not None and mask.shape != tuple(shape):
        raise ValueError(
            f"{path}: is {mask.shape[1]}x{mask.shape[0]} pixels; expected {shape[1]}x{shape[0]}, "
            "the picture's size"
        )
    return mask


def mask_of_pillow(image: Image.Image, name: str) -> Bool[np.ndarray, "h w"]:
    """Convert an open Pillow picture to a mask, as `read_mask` does for a file.

    Raises:
        ValueError: it holds no grey levels or colours; the message begins with `name`.
    """
    image = _eight_bits(image, name)
    if image.has_transparency_data:
        alpha = np.array(image.convert("RGBA").getchannel("A"))
        if alpha.min() < 255:
            return alpha >= 128
        image = image.convert("RGBA").convert("RGB")
    return np.array(image.convert("L")) >= 128


def write(path: str | os.PathLike[str], image: UInt8[np.ndarray, "h w 3"]) -> None:
    """Write a picture as .png, .jpg or .webp; the file appears whole or not at all.

    Raises:
        ValueError: unknown suffix, or a folder that is missing or may not be written.
    """
    path = Path(path)
    form = _FORMATS.get(path.suffix.lower())
    if form is None:
        known = ", ".join(_FORMATS)
        raise ValueError(f"{path}: unknown suffix {path.suffix!r}; expected one of {known}")
    with atomic(path) as stream:
        Image.fromarray(image).save(stream, format=form, quality=95)


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


def _opened(path: Path) -> Image.Image:
    """Open a picture and decode its first frame, with the EXIF orientation applied."""
    if path.is_dir():
        raise ValueError(f"{path}: is a folder; expected a picture")
    if not path.exists():
        raise ValueError(f"{path}: no such file; expected a picture")
    try:
        with warnings.catch_warnings():
            # Pillow warns above 89 million pixels, and raises above twice as many.
            warnings.simplefilter("ignore")
            with Image.open(path) as file:
                file.load()
                return ImageOps.exif_transpose(file)
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


def _eight_bits(image: Image.Image, name: str) -> Image.Image:
    """Convert 16-bit grey to 8-bit grey, which Pillow itself would clip at 255."""
    if image.mode == "F":
        raise ValueError(f"{name}: holds floating-point pixels; expected 8 or 16 bits a channel")
    if not image.mode.startswith("I"):
        return image
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError(f"{name}: holds 32-bit pixels; expected 8 or 16 bits a channel")
    return Image.fromarray(np.round(values.astype(np.float64) / 257).astype(np.uint8))


def _array_mask(path: Path) -> Bool[np.ndarray, "h w"]:
    if not path.is_file():
        raise ValueError(f"{path}: no such file; expected a mask, boolean [H, W]")
    try:
        with path.open("rb") as stream:
            loaded = np.load(stream, allow_pickle=False)
            arrays = [loaded] if isinstance(loaded, np.ndarray) else list(loaded.values())
    except PermissionError as error:
        raise ValueError(f"{path}: may not be read; expected a readable mask") from error
    except BROKEN as error:
        raise ValueError(f"{path}: broken or cut short; expected a mask, boolean [H, W]") from error
    if len(arrays) != 1:
        raise ValueError(f"{path}: holds {len(arrays)} arrays; expected one mask, boolean [H, W]")
    (mask,) = arrays
    if mask.dtype != np.bool_ or mask.ndim != 2 or mask.size == 0:
        raise ValueError(
            f"{path}: holds {mask.dtype} of shape {list(mask.shape)}; expected a mask, "
            "boolean [H, W]"
        )
    return mask
