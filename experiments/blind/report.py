"""The outcome of a study as Markdown and JSON."""

from collections.abc import Sequence
from typing import Any

from experiments.blind import counting
from experiments.blind.answers import Viewer
from experiments.blind.counting import Contest, Record, Votes
from experiments.blind.key import Key

_NOTE = (
    "By case: what more than half of its viewers say; by answer: each one counts, though those to"
    " one case are not independent. Win rate: of those decided, with Wilson's 95% interval."
)


def content(key: Key, viewers: Sequence[Viewer]) -> dict[str, Any]:
    """Everything counted, for a JSON file."""
    return {
        "study": key.study,
        "seed": key.seed,
        "methods": key.methods,
        "pairs_asked": len(key.pairs),
        "viewers": {viewer.file: len(viewer.answers) for viewer in viewers},
        "contests": [_contest(contest) for contest in counting.contests(key, viewers)],
        "a_against_b": _record(counting.sides(viewers)),
        "agreement": counting.agreement(key, viewers)._asdict(),
    }


def summary(key: Key, viewers: Sequence[Viewer]) -> str:
    """Wins of every two methods, cases that all viewers agree on, agreement and bias."""
    contests = counting.contests(key, viewers)
    parts = [
        f"# Blind comparison: {_many(len(key.pairs), 'pair')}, {_many(len(viewers), 'viewer')}",
        _NOTE,
        _wins(contests),
        "\n".join(_clear(contest) for contest in contests),
        _viewers(key, viewers),
    ]
    return "\n\n".join(parts) + "\n"


def cases(key: Key, viewers: Sequence[Viewer]) -> str:
    """How each case went, a table for every two methods."""
    parts = []
    for contest in counting.contests(key, viewers):
        rows = [["case", contest.first, contest.second, "no difference", "outcome"]]
        rows += [
            [case, str(votes.first), str(votes.second), str(votes.neither), _said(contest, votes)]
            for case, votes in contest.votes.items()
        ]
        rows += [[case, "", "", "", "not answered"] for case in contest.unanswered]
        rows += [[case, "", "", "", "equal pictures, not asked"] for case in contest.equal]
        parts.append(f"## {contest.first} against {contest.second}\n\n{_table(rows, 1)}")
    return "\n\n".join(parts) + "\n"


def _wins(contests: Sequence[Contest]) -> str:
    rows = [["", "counted", "won", "lost", "neither", "win rate", "95%"]]
    for contest in contests:
        for how, record in (("by case", contest.by_case), ("by answer", contest.by_answer)):
            title = f"{contest.first} against {contest.second}"
            rows.append([title, how, *map(str, record), *_rate(record)])
    return _table(rows, 2)


def _clear(contest: Contest) -> str:
    """The cases that can be called clear, and those that nobody was asked about."""
    lines = [
        f"- {contest.first} against {contest.second}:"
        f" lost by all viewers: {_listed(contest.lost_by_all)};"
        f" won by all: {_listed(contest.won_by_all)}"
    ]
    if contest.equal:
        lines.append(f"  - pictures bit-identical, not asked: {_listed(contest.equal)}")
    if contest.unanswered:
        lines.append(f"  - not answered: {_listed(contest.unanswered)}")
    return "\n".join(lines)


def _viewers(key: Key, viewers: Sequence[Viewer]) -> str:
    agreement, sides = counting.agreement(key, viewers), counting.sides(viewers)
    rate, interval = _rate(sides)
    lines = [
        f"- {viewer.file}: {len(viewer.answers)} of {len(key.pairs)} answered" for viewer in viewers
    ]
    lines.append(
        f"- two viewers of one pair answer alike: {_percent(agreement.equal)}; Fleiss' kappa"
        f" {'–' if agreement.kappa is None else f'{agreement.kappa:.2f}'}"
    )
    lines.append(
        f"- A among answers A and B: {rate} ({interval}); without a bias 50% lies in the interval"
    )
    return "\n".join(lines)


def _said(contest: Contest, votes: Votes) -> str:
    name = {1: contest.first, -1: contest.second, 0: "neither"}[votes.outcome]
    return f"{name}, all viewers" if max(votes) == sum(votes) else name


def _contest(contest: Contest) -> dict[str, Any]:
    outcomes = {1: "first", -1: "second", 0: "neither"}
    return {
        "first": contest.first,
        "second": contest.second,
        "by_case": _record(contest.by_case),
        "by_answer": _record(contest.by_answer),
        "won_by_all_viewers": contest.won_by_all,
        "lost_by_all_viewers": contest.lost_by_all,
        "not_answered": contest.unanswered,
        "equal_pictures": contest.equal,
        "cases": {
            case: {**votes._asdict(), "outcome": outcomes[votes.outcome]}
            for case, votes in contest.votes.items()
        },
    }


def _record(record: Record) -> dict[str, Any]:
    return {**record._asdict(), "rate": record.rate, "interval_95": record.interval}


def _rate(record: Record) -> tuple[str, str]:
    """The rate and its interval, as people read them."""
    interval = record.interval
    if interval is None:
        return "–", "–"
    return _percent(record.rate), f"{interval[0]:.0%} to {interval[1]:.0%}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"


def _listed(cases: Sequence[str]) -> str:
    return ", ".join(cases) or "none"


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _table(rows: Sequence[Sequence[str]], words: int) -> str:
    """A Markdown table: its first row is the head, its first columns, so many, are words."""
    rule = ["---" if i < words else "---:" for i in range(len(rows[0]))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (rows[0], rule, *rows[1:]))
