"""Scores as tables: means that compare like with like, and Markdown."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

Scores = Mapping[str, float | None]
Table = Mapping[str, Mapping[str, Scores]]
"""Case -> row -> metric -> value, None where not defined."""


class Metric(NamedTuple):
    """How a metric is shown."""

    title: str
    digits: int
    better: int  # 1: more, -1: less, 0: neither


METRICS = {
    "flow_l1_px": Metric("flow L1 px", 2, -1),
    "flow_epe_moved_px": Metric("EPE moved px", 2, -1),
    "judged_moved": Metric("judged", 2, 0),
    "color_l1": Metric("colour L1", 4, -1),
    "color_l1_moved": Metric("… moved", 4, -1),
    "color_l1_visible": Metric("… visible", 4, -1),
    "background_l1": Metric("background L1", 4, -1),
    "psnr": Metric("PSNR dB", 2, 1),
    "psnr_region": Metric("… region", 2, 1),
    "ssim": Metric("SSIM", 4, 1),
    "ssim_region": Metric("… region", 4, 1),
    "clip": Metric("CLIP", 4, 1),
    "seconds": Metric("s", 1, 0),
    "seconds_compile": Metric("s compiling", 1, 0),
}

FLOW = ("flow_l1_px", "flow_epe_moved_px")
"""Of every picture: where none has them, the judge cannot tell, and that is said."""


class Means(NamedTuple):
    """Means of rows over the cases that all of them have."""

    cases: list[str]
    rows: dict[str, dict[str, float | None]]  # row -> metric -> mean
    counts: dict[str, int]  # metric -> cases where every row that has the metric at all has it


def means(table: Table) -> list[Means]:
    """Means over all cases of the rows that all have; then, for each other row, over its cases."""
    rows = list(dict.fromkeys(row for scores in table.values() for row in scores))
    groups = [list(table)]
    for row in rows:
        cases = [case for case, scores in table.items() if row in scores]
        if cases not in groups:
            groups.append(cases)
    return [
        _means(table, cases, [row for row in rows if all(row in table[c] for c in cases)])
        for cases in groups
    ]


def markdown(table: Table, beside: frozenset[str]) -> str:
    """All means, then all cases; the best of each column bold.

    Rows in `beside` are no method's: they have no part in the contest.
    """
    parts = []
    for group in means(table):
        counts = sorted(set(group.counts.values()), reverse=True)
        noun = "case" if len(group.cases) == 1 else "cases"
        which = f"Means over {len(group.cases)} {noun}"
        if len(counts) > 1:
            fewer = (
                f"{METRICS[key].title.strip('… ')} over {count}"
                for key, count in group.counts.items()
                if count < len(group.cases) and (count or key in FLOW)
            )
            which += "".join(f"; {one}" for one in dict.fromkeys(fewer))
        parts.append(f"## {which}\n\n{_lines(group.rows, beside)}")
    parts += [f"## {case}\n\n{_lines(rows, beside)}" for case, rows in table.items()]
    return "\n\n".join(parts) + "\n"


def _means(table: Table, cases: list[str], rows: list[str]) -> Means:
    means: dict[str, dict[str, float | None]] = {row: {} for row in rows}
    counts = {}
    for metric in METRICS:
        values = {row: [table[case][row].get(metric) for case in cases] for row in rows}
        having = [row for row in rows if any(value is not None for value in values[row])]
        alike = [i for i in range(len(cases)) if all(values[row][i] is not None for row in having)]
        counts[metric] = len(alike) if having else 0
        for row in rows:
            mean = row in having and counts[metric] > 0
            numbers = [value for i in alike if (value := values[row][i]) is not None]
            means[row][metric] = float(np.mean(numbers)) if mean else None
    return Means(cases, means, counts)


def _lines(rows: Mapping[str, Scores], beside: frozenset[str]) -> str:
    """A Markdown table of the flow's errors and the metrics that any row has."""
    shown = [
        key
        for key in METRICS
        if key in FLOW or any(row.get(key) is not None for row in rows.values())
    ]
    methods = [scores for row, scores in rows.items() if row not in beside]
    best = {key: _best(methods, key) for key in shown}
    lines = [
        ["", *(METRICS[key].title for key in shown)],
        ["---", *("---:" for _ in shown)],
        *([row, *(_cell(scores.get(key), key, None if row in beside else best[key])
                 for key in shown)]
          for row, scores in rows.items()),
    ]  # fmt: skip
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _best(methods: list[Scores], key: str) -> float | None:
    values = [value for scores in methods if (value := scores.get(key)) is not None]
    sign = METRICS[key].better
    return max(values, key=lambda value: sign * value) if sign and len(values) > 1 else None


def _cell(value: float | None, key: str, best: float | None) -> str:
    if value is None:
        return "–"
    digits = METRICS[key].digits
    text = f"{value:.{digits}f}"
    return f"**{text}**" if best is not None and text == f"{best:.{digits}f}" else text
