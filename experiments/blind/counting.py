"""Counting viewers' answers: who won, how sure that is, how far viewers agree."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int
from scipy import stats

from experiments.blind.answers import LETTERS, Viewer
from experiments.blind.key import Key


class Record(NamedTuple):
    """How often the first of two won, lost, and neither."""

    wins: int
    losses: int
    ties: int

    @property
    def rate(self) -> float | None:
        """Wins among wins and losses; None where there is neither."""
        decided = self.wins + self.losses
        return self.wins / decided if decided else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's 95% confidence interval of `rate`."""
        if self.rate is None:
            return None
        test = stats.binomtest(self.wins, self.wins + self.losses)
        interval = test.proportion_ci(method="wilson")
        return float(interval.low), float(interval.high)


class Votes(NamedTuple):
    """Viewers' answers on one case."""

    first: int
    second: int
    neither: int

    @property
    def outcome(self) -> int:
        """1 if more than half of the viewers say the first, -1 if the second, else 0."""
        return (2 * self.first > sum(self)) - (2 * self.second > sum(self))


class Contest(NamedTuple):
    """Two methods on all cases."""

    first: str
    second: str
    votes: dict[str, Votes]  # case -> votes; cases that nobody has answered are left out
    unanswered: list[str]
    equal: list[str]  # cases where the two pictures are bit-identical

    @property
    def by_case(self) -> Record:
        """Each case counts once, as most of its viewers say."""
        outcomes = [votes.outcome for votes in self.votes.values()]
        return Record(*(outcomes.count(outcome) for outcome in (1, -1, 0)))

    @property
    def by_answer(self) -> Record:
        """Each answer counts once."""
        return Record(
            sum(votes.first for votes in self.votes.values()),
            sum(votes.second for votes in self.votes.values()),
            sum(votes.neither for votes in self.votes.values()),
        )

    @property
    def won_by_all(self) -> list[str]:
        """Cases where every viewer who answered says the first."""
        return [case for case, votes in self.votes.items() if votes.first == sum(votes)]

    @property
    def lost_by_all(self) -> list[str]:
        """Cases where every viewer who answered says the second."""
        return [case for case, votes in self.votes.items() if votes.second == sum(votes)]


class Agreement(NamedTuple):
    """How far viewers agree, over pairs that two or more have answered; None where undefined."""

    equal: float | None  # probability that two viewers of one pair answer alike
    kappa: float | None  # Fleiss' kappa: 0 is what chance would do, 1 is full agreement


def contests(key: Key, viewers: Sequence[Viewer]) -> list[Contest]:
    """Count the answers for every two methods, in the key's order of methods."""
    counted = []
    for first, second in itertools.combinations(key.methods, 2):
        votes: dict[str, Votes] = {}
        for pair in sorted(key.pairs, key=lambda pair: pair.case):
            if {pair.a, pair.b} == {first, second}:
                shown = {pair.a: "A", pair.b: "B"}
                said = [viewer.answers.get(pair.number) for viewer in viewers]
                letters = (shown[first], shown[second], "0")
                votes[pair.case] = Votes(*(said.count(letter) for letter in letters))
        answered = {case: letters for case, letters in votes.items() if sum(letters)}
        unanswered = [case for case in votes if case not in answered]
        equal = [c.case for c in key.equal if {c.first, c.second} == {first, second}]
        counted.append(Contest(first, second, answered, unanswered, equal))
    return counted


def sides(viewers: Sequence[Viewer]) -> Record:
    """Count A, B and no difference over all answers: about as many A as B without a bias."""
    said = [answer for viewer in viewers for answer in viewer.answers.values()]
    return Record(*(said.count(letter) for letter in LETTERS))


def agreement(key: Key, viewers: Sequence[Viewer]) -> Agreement:
    """Measure how far viewers agree, in their A, B and 0."""
    said = [[viewer.answers.get(pair.number) for viewer in viewers] for pair in key.pairs]
    return fleiss(np.array([[letters.count(letter) for letter in LETTERS] for letters in said]))


def fleiss(counts: Int[np.ndarray, "pairs kinds"]) -> Agreement:
    """Measure agreement from how many viewers gave each kind of answer to each pair.

    With as many answers to every pair it is Fleiss' kappa ("Measuring nominal scale agreement among
    many raters", 1971); pairs with fewer than two answers are left out.
    """
    counts = counts[counts.sum(axis=1) >= 2]
    if not len(counts):
        return Agreement(None, None)
    answers = counts.sum(axis=1)
    equal = float(np.mean((counts * (counts - 1)).sum(axis=1) / (answers * (answers - 1))))
    by_chance = float(np.sum((counts.sum(axis=0) / counts.sum()) ** 2))
    return Agreement(equal, None if by_chance == 1 else (equal - by_chance) / (1 - by_chance))
