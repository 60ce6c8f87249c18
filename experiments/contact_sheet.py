"""A sheet of many small pictures: a row a case, a column a method."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

Picture = UInt8[np.ndarray, "_ _ 3"]

CELL = 224  # pixels: the longest side of a picture on the sheet
_GAP, _LINE, _FONT = 8, 22, 15
_INK, _PAPER = (38, 42, 51), (255, 255, 255)


def small(picture: Picture) -> Picture:
    """A picture brought to the size that it has on the sheet; smaller ones stay as they are."""
    image = Image.fromarray(picture)
    image.thumbnail((CELL, CELL), Image.Resampling.LANCZOS)
    return np.array(image)


def sheet(
    columns: Sequence[str], rows: Sequence[tuple[str, Sequence[Picture | None]]]
) -> UInt8[np.ndarray, "h w 3"]:
    """Arrange rows of `small` pictures under their columns' titles; None leaves a place empty.

    Columns without any picture are left out.

    Raises:
        ValueError: a row has another number of pictures than there are columns, or none is there.
    """
    if not columns or not rows or any(len(pictures) != len(columns) for _, pictures in rows):
        raise ValueError("sheet: expected rows of one picture (or None) for each column")
    filled = [
        i for i in range(len(columns)) if any(pictures[i] is not None for _, pictures in rows)
    ]
    columns = [columns[i] for i in filled]
    rows = [(title, [pictures[i] for i in filled]) for title, pictures in rows]
    step = CELL + _GAP
    heights = [
        max((picture.shape[0] for picture in pictures if picture is not None), default=0)
        + _LINE
        + _GAP
        for _, pictures in rows
    ]
    size = (_GAP + step * len(columns), _GAP + _LINE + sum(heights))
    paper = Image.new("RGB", size, _PAPER)
    pen = ImageDraw.Draw(paper)
    font = ImageFont.load_default(size=_FONT)
    for i, title in enumerate(columns):
        pen.text((_GAP + step * i, _GAP), title, fill=_INK, font=font)
    top = _GAP + _LINE
    for (title, pictures), height in zip(rows, heights, strict=True):
        pen.text((_GAP, top), title, fill=_INK, font=font)
        for i, picture in enumerate(pictures):
            if picture is not None:
                paper.paste(Image.fromarray(picture), (_GAP + step * i, top + _LINE))
        top += height
    return np.array(paper)
