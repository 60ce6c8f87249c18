"""Chance that falls the same everywhere: PCG64's doubles, the only draws numpy keeps stable."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


class Chance:
    """A stream of draws, one for each tuple of numbers."""

    def __init__(self, *seed: int) -> None:
        """Begin the stream of a seed: whole numbers from 0."""
        self._generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))

    def between(self, low: float, high: float) -> float:
        """Draw a number, all equally likely, of three decimals: people can read and repeat it."""
        return round(low + (high - low) * float(self._generator.random()), 3)

    def happens(self, probability: float) -> bool:
        """Draw whether something happens."""
        return bool(self._generator.random() < probability)

    def pick(self, items: Sequence[T]) -> T:
        """Draw one of the items, all equally likely."""
        return items[int(self._generator.random() * len(items))]
