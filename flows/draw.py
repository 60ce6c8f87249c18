"""Draw flows: colours and their wheel, arrows on a photo, what moves where, titled sheets.

Pictures are uint8 [H, W, 3].
"""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image, ImageDraw, ImageFont
from scipy.spatial import cKDTree

from flows import masks, warping
from flows.motion import Motion

_INK = (38, 42, 51)
_PAPER = (255, 255, 255)
_FRAME = (222, 224, 228)
_CHECKS = np.array([[255, 255, 255], [180, 184, 192]], np.uint8)  # as editors show what is empty

# OKLab, where equal steps look equal, so that no direction outshines another (Björn Ottosson,
# "A perceptual color space for image processing", 2020; public domain).
_OKLAB_TO_LMS = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)
_LMS_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)
# Limits of a sheet's panels, in pixels. Photos from 1:4 to 4:1 only get the common height.
# Longer strips would make the sheet too wide for any screen, or their panel too narrow for a title.
_LOWEST, _HIGHEST, _LONGEST = 240, 720, 4
_WIDEST = _LONGEST * _HIGHEST
_SMOOTH = 4  # shapes are drawn this many times larger, then averaged down: no jagged edges


def colors(
    flow: Float[np.ndarray, "h w 2"], largest: float | None = None
) -> UInt8[np.ndarray, "h w 3"]:
    """Paint a flow: hue is its direction (red is right), saturation its length (white is 0).

    Args:
        flow: pixels.
        largest: the length, in pixels, of full saturation; by default the flow's largest. Pass
            the same value for pictures that are to be compared.
    """
    length = np.linalg.norm(flow, axis=-1)
    if largest is None:
        largest = float(length.max())
    share = np.minimum(length / largest, 1) if largest > 0 else np.zeros_like(length)
    share = np.sqrt(share)  # small motions stay visible
    hue = np.arctan2(flow[..., 1], flow[..., 0]) + np.deg2rad(25)  # 25 degrees is OKLab's red
    lightness, chroma = 1 - 0.32 * share, 0.16 * share
    lab = np.stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)], axis=-1)
    linear = np.clip((lab @ _OKLAB_TO_LMS.T) ** 3 @ _LMS_TO_RGB.T, 0, 1)
    gamma = np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)
    return np.asarray(np.round(255 * gamma), np.uint8)


def wheel(diameter: int) -> UInt8[np.ndarray, "{diameter} {diameter} 3"]:
    """Paint the legend of `colors`: in each direction from the middle, that direction's colour."""
    radius = (diameter - 1) / 2
    y, x = (np.mgrid[:diameter, :diameter] - radius) / max(radius, 1)
    disc = colors(np.stack([x, y], axis=-1), largest=1.0)
    return np.where((np.hypot(x, y) <= 1)[..., None], disc, np.uint8(255))


def legend(picture: UInt8[np.ndarray, "h w 3"], largest: float) -> UInt8[np.ndarray, "h w 3"]:
    """Draw the colour wheel into the lower right corner of a copy.

    Its label is `largest`, the length in pixels that its rim stands for.

    A picture that is too small for the wheel is copied without it.
    """
    height, width, _ = picture.shape
    diameter = max(16, round(0.18 * min(height, width)))
    margin = max(2, diameter // 8)
    label = f"{largest:.3g} px"
    font = _font(max(9, diameter // 5))
    box_width = max(diameter, math.ceil(font.getlength(label))) + 2 * margin
    text_height = _line_height(font)
    box_height = diameter + text_height + 3 * margin
    if box_width > width or box_height > height:  # no room: the picture matters more
        return picture.copy()
    left, top = width - box_width - margin, height - box_height - margin
    box = Image.new("RGB", (box_width, box_height), _PAPER)
    disc = Image.fromarray(wheel(diameter * _SMOOTH)).resize(
        (diameter, diameter), Image.Resampling.BOX
    )
    box.paste(disc, ((box_width - diameter) // 2, margin))
    ImageDraw.Draw(box).text(
        (box_width / 2, diameter + 2 * margin), label, fill=_INK, font=font, anchor="ma"
    )
    card = Image.new("L", (box_width * _SMOOTH, box_height * _SMOOTH), 0)
    corners = (0, 0, card.width - 1, card.height - 1)
    ImageDraw.Draw(card).rounded_rectangle(corners, radius=margin * _SMOOTH, fill=255)
    result = Image.fromarray(picture)
    result.paste(box, (left, top), card.resize(box.size, Image.Resampling.BOX))
    return np.array(result)


def arrows(
    image: UInt8[np.ndarray, "h w 3"],
    flow: Float[np.ndarray, "h w 2"],
    spacing: int | None = None,
) -> UInt8[np.ndarray, "h w 3"]:
    """Draw arrows on a picture, from where pixels are to where they go.

    Only pixels that move by 1 pixel or more get arrows.

    Args:
        image: the picture.
        flow: pixels.
        spacing: least distance between arrows, in pixels; by default chosen from the moving area.
    """
    height, width, _ = image.shape
    moves = np.linalg.norm(flow, axis=-1) >= 1
    if spacing is None:
        spacing = max(6, round(math.sqrt(moves.sum() / 36)))
    starts = _apart(_lattice(moves, max(1, spacing // 2)), flow, spacing)
    thick = max(1.5, min(height, width) / 220)
    mask = Image.new("L", (width * _SMOOTH, height * _SMOOTH))
    halo = mask.copy()
    for y, x in starts:
        start = (np.array([x, y]) + 0.5) * _SMOOTH
        end = start + flow[y, x] * _SMOOTH
        _arrow(ImageDraw.Draw(halo), start, end, thick * _SMOOTH, 0.6 * thick * _SMOOTH)
        _arrow(ImageDraw.Draw(mask), start, end, thick * _SMOOTH, 0.0)
    result = Image.fromarray(image)
    for colour, shape in ((_INK, halo), (_PAPER, mask)):
        result.paste(colour, (0, 0), shape.resize((width, height), Image.Resampling.BOX))
    return np.array(result)


def shrunk(
    image: UInt8[np.ndarray, "H W 3"], flow: Float[np.ndarray, "H W 2"]
) -> tuple[UInt8[np.ndarray, "h w 3"], Float[np.ndarray, "h w 2"]]:
    """Shrink a large picture and its flow to what a sheet shows; the flow is in its new pixels."""
    step = max(1, min(flow.shape[:2]) // _HIGHEST)
    if step == 1:
        return image, flow
    small = flow[step // 2 :: step, step // 2 :: step] / step
    shape = (small.shape[1], small.shape[0])
    return np.array(Image.fromarray(image).resize(shape, Image.Resampling.BOX)), small


def selected(
    image: UInt8[np.ndarray, "h w 3"], mask: Bool[np.ndarray, "h w"]
) -> UInt8[np.ndarray, "h w 3"]:
    """Show a selection: the rest of the picture becomes pale and grey."""
    pale = 0.75 * 255 + 0.25 * image.mean(axis=-1, keepdims=True)
    return np.where(mask[..., None], image, np.round(pale).astype(np.uint8))


def moved(
    image: UInt8[np.ndarray, "h w 3"], flow: Float[np.ndarray, "h w 2"]
) -> UInt8[np.ndarray, "h w 3"]:
    """Warp a picture forward (`warping.forward`); uncovered pixels show a chequered pattern."""
    warped = warping.forward(image, Motion(flow))
    height, width = warped.holes.shape
    side = max(2, min(height, width) // 50)
    y, x = np.mgrid[:height, :width]
    checks = _CHECKS[(y // side + x // side) % 2]
    return np.where(warped.holes[..., None], checks, warped.picture)


def preview(
    image: UInt8[np.ndarray, "h w 3"], flow: Float[np.ndarray, "h w 2"]
) -> UInt8[np.ndarray, "_ _ 3"]:
    """Make a sheet that shows a motion: what moves, arrows, colours, the picture warped forward."""
    largest = float(np.linalg.norm(flow, axis=-1).max())
    length = flow.shape[0]
    image, flow = shrunk(image, flow)
    shown = largest * flow.shape[0] / length
    return sheet(
        [
            ("what moves", selected(image, masks.moving(flow))),
            ("motion", arrows(image, flow)),
            ("flow", legend(colors(flow, shown), largest)),
            ("moved; chequered is to be invented", moved(image, flow)),
        ]
    )


def sheet(panels: Sequence[tuple[str, UInt8[np.ndarray, "_ _ 3"]]]) -> UInt8[np.ndarray, "h w 3"]:
    """Arrange titled pictures on one white sheet: up to three in a row, more in a square grid.

    All are scaled to one height: the largest of theirs, but within 240 to 720 pixels. A strip that
    would be wider than 2880 pixels is scaled to that width instead. Titles too long for their
    column are shortened.

    Raises:
        ValueError: there is no panel.
    """
    if not panels:
        raise ValueError("sheet: has no panel; expected at least one titled picture")
    side = min(_HIGHEST, max(_LOWEST, *(picture.shape[0] for _, picture in panels)))
    pictures = [_at_height(picture, side) for _, picture in panels]
    cell_height = max(picture.height for picture in pictures)
    cell_width = max(side // _LONGEST, *(picture.width for picture in pictures))
    columns = len(panels) if len(panels) <= 3 else math.ceil(math.sqrt(len(panels)))
    rows = math.ceil(len(panels) / columns)
    font = _font(max(14, side // 22))
    margin = side // 16
    gap = margin // 2
    strip = _line_height(font) + gap // 2
    paper = Image.new(
        "RGB",
        (
            2 * margin + columns * cell_width + (columns - 1) * gap,
            2 * margin + rows * (strip + cell_height) + (rows - 1) * gap,
        ),
        _PAPER,
    )
    pen = ImageDraw.Draw(paper)
    for index, ((title, _), picture) in enumerate(zip(panels, pictures, strict=True)):
        row, column = divmod(index, columns)
        left = margin + column * (cell_width + gap)
        top = margin + row * (strip + cell_height + gap)
        pen.text((left, top), _fitted(title, font, cell_width), fill=_INK, font=font)
        paper.paste(picture, (left, top + strip))
        corner = (left + picture.width, top + strip + picture.height)
        pen.rectangle(((left - 1, top + strip - 1), corner), outline=_FRAME)
    return np.array(paper)


def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size=size)
    assert isinstance(font, ImageFont.FreeTypeFont)  # as always when a size is given
    return font


def _line_height(font: ImageFont.FreeTypeFont) -> int:
    return sum(font.getmetrics())


def _fitted(title: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    if font.getlength(title) <= width:
        return title
    while title and font.getlength(title + "...") > width:
        title = title[:-1]
    return title.rstrip() + "..."


def _at_height(picture: np.ndarray, height: int) -> Image.Image:
    """Scale a picture to a height, or, if it would be wider than 2880 pixels, to that width."""
    image = Image.fromarray(picture)
    width = max(1, round(image.width * height / image.height))
    if width > _WIDEST:
        width, height = _WIDEST, max(1, round(image.height * _WIDEST / image.width))
    return image.resize((width, height), Image.Resampling.BICUBIC)


def _lattice(moves: np.ndarray, spacing: int) -> list[tuple[int, int]]:
    """List moving pixels (y, x) on a square lattice, those in the middle first."""
    y, x = np.nonzero(moves)
    if not y.size:
        return []
    middle_y, middle_x = round(y.mean()), round(x.mean())
    on = ((y - middle_y) % spacing == 0) & ((x - middle_x) % spacing == 0)
    y, x = y[on], x[on]
    order = np.argsort((y - middle_y) ** 2 + (x - middle_x) ** 2, kind="stable")
    return list(zip(y[order].tolist(), x[order].tolist(), strict=True))


def _apart(starts: list[tuple[int, int]], flow: np.ndarray, spacing: int) -> list[tuple[int, int]]:
    """Keep the arrows that stay at least `spacing` pixels away from all kept before.

    Of a long shaft only the first part is compared, as long as the picture's diagonal: no more of
    it can be seen.
    """
    diagonal = math.hypot(*flow.shape[:2])
    kept: list[tuple[int, int]] = []
    taken: list[cKDTree] = []
    for y, x in starts:
        length = float(np.linalg.norm(flow[y, x]))
        seen = flow[y, x] * min(1, diagonal / length)
        pieces = 1 + math.ceil(min(length, diagonal) / spacing * 4)
        shaft = np.array([x, y]) + np.linspace(0, 1, pieces)[:, None] * seen
        if all(tree.query(shaft)[0].min() >= spacing for tree in taken):
            kept.append((y, x))
            taken.append(cKDTree(shaft))
    return kept


def _arrow(
    pen: ImageDraw.ImageDraw, start: np.ndarray, end: np.ndarray, thick: float, rim: float
) -> None:
    """Draw an arrow's shaft and head, each enlarged by `rim` on all sides."""
    length = float(np.linalg.norm(end - start))
    along = (end - start) / length
    across = np.array([-along[1], along[0]])
    head = min(5 * thick, 0.6 * length)
    neck = end - head * along
    half = thick / 2 + rim
    shaft = [start - rim * along, neck + along, half * across]
    corners = [shaft[0] + shaft[2], shaft[1] + shaft[2], shaft[1] - shaft[2], shaft[0] - shaft[2]]
    pen.polygon([tuple(corner) for corner in corners], fill=255)
    wing = (head / 2 + 1.5 * rim) * across
    tip, base = end + 2 * rim * along, neck - rim * along
    pen.polygon([tuple(tip), tuple(base + wing), tuple(base - wing)], fill=255)
