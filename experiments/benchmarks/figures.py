"""Measured figures, and the one table of them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

OURS, REFERENCE, PYTORCH = "ours", "reference", "PyTorch done well"


class Rate(NamedTuple):
    """How fast a device multiplies matrices."""

    operations: float  # a second, the median at the best size
    size: int  # rows and columns of that size
    seconds: tuple[float, ...]  # of each repetition


class Figure(NamedTuple):
    """One thing measured, a number of times."""

    what: str
    by: str  # whose work
    values: tuple[float, ...]  # of each repetition; none where there was not enough memory
    unit: str = "s"
    memory: int | None = None  # bytes, the peak
    operations: int | None = None  # of matrix products and convolutions, in one repetition
    limit: float | None = None  # operations a second that the device reached in matrix products
    note: str = ""

    @property
    def median(self) -> float:
        """NaN if nothing could be measured."""
        return float(np.median(self.values)) if self.values else float("nan")

    @property
    def share(self) -> float | None:
        """Operations a second, as a share of the limit."""
        if self.operations is None or not self.limit or not self.values:
            return None
        return self.operations / self.median / self.limit


Sections = Mapping[str, Sequence[Figure]]


def contents(figures: Sequence[Figure]) -> list[dict[str, Any]]:
    """For a file: the fields, and what follows from them."""
    return [
        figure._asdict()
        | {"median": figure.median if figure.values else None, "share": figure.share}
        for figure in figures
    ]


_COLUMNS = (
    "",
    "by",
    "median",
    "min – max",
    "n",
    "times ours",
    "peak GiB",
    "Top/s",
    "of limit",
    "",
)


def table(sections: Sections) -> str:
    """Markdown: a row a figure; sections begin with their title.

    "times ours" is the median over that of our figure of the same name; "Top/s" are 10¹²
    operations of matrix products and convolutions a second.
    """
    rows: list[Sequence[str]] = [_COLUMNS, ["---", "---", *["---:"] * 7, "---"]]
    for title, figures in sections.items():
        rows.append([f"**{title}**", *[""] * (len(_COLUMNS) - 1)])
        ours = {f.what: f.median for f in figures if f.by == OURS and f.values}
        rows += [_row(figure, ours.get(figure.what)) for figure in figures]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(figure: Figure, ours: float | None) -> list[str]:
    times, rate, share = "", "", figure.share
    if ours and figure.unit and figure.by != OURS and figure.values:
        times = _number(figure.median / ours)
    if figure.operations is not None and figure.values and figure.unit == "s":
        rate = _number(figure.operations / figure.median / 1e12)
    return [
        figure.what,
        figure.by,
        f"{_number(figure.median)} {figure.unit}".strip() if figure.values else "–",
        f"{_number(min(figure.values))} – {_number(max(figure.values))}" if figure.values else "",
        str(len(figure.values)),
        times,
        "" if figure.memory is None else f"{figure.memory / 2**30:.2f}",
        rate,
        "" if share is None else f"{share:.0%}",
        figure.note,
    ]


def _number(value: float) -> str:
    """Three digits, or all before the point; powers of ten where it is tiny."""
    if value != 0 and abs(value) < 1e-3:
        return f"{value:.1e}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
