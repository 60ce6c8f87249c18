"""What viewers answered: JSON or CSV as the page saves it, or as people write it, checked strictly.

JSON is `{"study": …, "answers": {"1": "A", "2": "0"}}`, CSV has the columns `pair,answer` and may
have `study`. Every fault is a `ValueError` of one line: FILE: what is wrong; expected what.
"""

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from experiments.blind.key import Key

LETTERS = ("A", "B", "0")  # left, right, no difference


class Viewer(NamedTuple):
    """One viewer's answers."""

    file: str
    answers: dict[int, str]  # number of a pair -> one of LETTERS


def read(path: Path, key: Key) -> Viewer:
    """Read a viewer's answers to a study; some may be missing, not all.

    Raises:
        ValueError: no such file, not JSON or CSV, of another study; no answer at all, an unknown
            pair, a pair answered twice, an answer that is not A, B or 0.
    """
    readers = {".json": _json, ".csv": _csv}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ValueError(f"{path}: unknown suffix {path.suffix!r}; expected .json or .csv")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise ValueError(f"{path}: no such file; expected a viewer's answers") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read as text; expected a viewer's answers") from error
    studies, rows = reader(path, text)
    for study in studies:
        if study != key.study:
            raise ValueError(f"{path}: of study {study}; expected {key.study}, which the key is of")
    return Viewer(str(path), _checked(path, rows, len(key.pairs)))


def _checked(path: Path, rows: Iterable[tuple[str, str]], count: int) -> dict[int, str]:
    answers: dict[int, str] = {}
    for pair, answer in rows:
        number = int(pair) if pair.isascii() and pair.isdigit() else 0
        if not 1 <= number <= count:
            raise ValueError(f"{path}: pair {pair!r}: unknown; expected a number from 1 to {count}")
        if number in answers:
            raise ValueError(f"{path}: pair {number}: answered twice; expected one answer")
        if answer not in LETTERS:
            raise ValueError(f"{path}: pair {number}: {answer!r}; expected A, B or 0")
        answers[number] = answer
    if not answers:
        raise ValueError(f"{path}: has no answer; expected at least one")
    return answers


def _json(path: Path, text: str) -> tuple[list[str], list[tuple[str, str]]]:
    """Studies that are named, and rows of pair and answer."""
    try:
        # Objects as tuples of their members: a dict would hide a pair that is answered twice.
        content = json.loads(text, object_pairs_hook=tuple)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: is no JSON; expected a viewer's answers") from error
    members = dict(content) if isinstance(content, tuple) else {}
    rows = members.get("answers")
    if not isinstance(rows, tuple):
        raise ValueError(f'{path}: has no answers; expected {{"answers": {{"1": "A", …}}}}')
    studies = [str(members["study"])] if "study" in members else []
    return studies, [(pair, str(answer)) for pair, answer in rows]


def _csv(path: Path, text: str) -> tuple[list[str], list[tuple[str, str]]]:
    """Studies that are named, and rows of pair and answer."""
    lines = list(csv.reader(text.splitlines()))
    head = [title.strip() for title in lines[0]] if lines else []
    if sorted(head) not in (["answer", "pair"], ["answer", "pair", "study"]):
        raise ValueError(
            f"{path}: begins with {','.join(head)!r}; expected the columns pair,answer"
        )
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        if len(line) not in (0, len(head)):
            raise ValueError(f"{path}: line {number}: {len(line)} values; expected {len(head)}")
        if line:
            rows.append(dict(zip(head, (value.strip() for value in line), strict=True)))
    studies = list(dict.fromkeys(row["study"] for row in rows if "study" in row))
    return studies, [(row["pair"], row["answer"]) for row in rows]
