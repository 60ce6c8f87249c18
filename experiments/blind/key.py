"""The key of a study: which method is A and which B in each pair. Viewers never see it."""

import itertools
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from experiments.portable_rng import Chance
from flows import files

T = TypeVar("T")


class Comparison(NamedTuple):
    """Two methods on one case."""

    case: str
    first: str
    second: str


class Pair(NamedTuple):
    """A comparison as viewers see it: two pictures, called A and B."""

    number: int  # from 1
    case: str
    a: str  # the method whose picture is A, on the left
    b: str


class Key(NamedTuple):
    """Everything that viewers are not told."""

    study: str  # digest of the pictures; answers name it
    seed: int
    methods: list[str]
    pairs: list[Pair]  # numbered from 1, in order
    equal: list[Comparison]  # pictures that are bit-identical, so nobody is asked


def draw(comparisons: Iterable[Comparison], seed: int) -> list[Pair]:
    """Draw the order of comparisons and, in each, which method is on the left.

    Of any two methods each is on the left equally often, but for one comparison where their number
    is odd: who prefers a side favours no method.
    """
    chance = Chance(seed)
    sided: list[tuple[str, str, str]] = []
    for _, group in itertools.groupby(sorted(comparisons, key=_methods), _methods):
        swapped = chance.happens(0.5)
        for case, first, second in _shuffled(list(group), chance):
            sided.append((case, second, first) if swapped else (case, first, second))
            swapped = not swapped
    return [Pair(number, *pair) for number, pair in enumerate(_shuffled(sided, chance), start=1)]


def write(path: Path, key: Key) -> None:
    """Write a key as JSON. Raises ValueError when that fails."""
    content = key._asdict() | {
        "pairs": [pair._asdict() for pair in key.pairs],
        "equal": [comparison._asdict() for comparison in key.equal],
    }
    with files.atomic(path) as stream:
        stream.write((json.dumps(content, indent=2) + "\n").encode())


def read(path: Path) -> Key:
    """Read what `write` has written.

    Raises:
        ValueError: the file is missing, or no key.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        key = Key(
            str(content["study"]),
            int(content["seed"]),
            [str(name) for name in content["methods"]],
            [Pair(**pair) for pair in content["pairs"]],
            [Comparison(**comparison) for comparison in content["equal"]],
        )
    except FileNotFoundError as error:
        raise ValueError(f"{path}: no such file; expected the key of a study") from error
    except (OSError, ValueError, TypeError, LookupError, RecursionError) as error:
        raise ValueError(f"{path}: is no key; expected the one written with a study") from error
    _check(path, key)
    return key


def _check(path: Path, key: Key) -> None:
    numbers = [pair.number for pair in key.pairs]
    if not numbers or numbers != list(range(1, len(numbers) + 1)):
        raise ValueError(f"{path}: its pairs are not 1, 2, 3 …; expected the key as it was written")
    compared = [(pair.a, pair.b) for pair in key.pairs] + [c[1:] for c in key.equal]
    if any(a == b or a not in key.methods or b not in key.methods for a, b in compared):
        raise ValueError(
            f"{path}: a pair is not of two of its methods; expected the key as it was written"
        )


def _methods(comparison: Comparison) -> tuple[str, str]:
    return comparison.first, comparison.second


def _shuffled(items: Sequence[T], chance: Chance) -> list[T]:
    """The items in another order, all orders equally likely."""
    left = list(items)
    return [left.pop(chance.pick(range(len(left)))) for _ in items]
