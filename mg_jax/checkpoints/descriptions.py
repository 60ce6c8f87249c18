"""Read and check the JSON description of a checkpoint; all errors are collected."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Description:
    """A JSON object and, in `faults`, one message for each value that is not as expected."""

    def __init__(self, content: Mapping[str, Any]):
        self.content = content
        self.faults: list[str] = []

    def expect(self, accepted: Mapping[str, tuple[Any, ...]]) -> None:
        """Record each key whose value is not accepted; a missing key is accepted."""
        for key, values in accepted.items():
            value = self.content.get(key, values[0])
            if value not in values:
                self.faults.append(f"{key} is {shown(value)}; expected {shown(values[0])}")

    def whole(self, key: str, default: int) -> int:
        """Return an integer of 1 or more; otherwise record it and return the default."""
        return self.wholes(key, [default])[0]

    def wholes(self, key: str, default: list[int], count: int = 1) -> tuple[int, ...]:
        """Return integers of 1 or more; a single one stands for `count` equal ones.

        Otherwise record it and return the default.
        """
        value = self.content.get(key, default)
        several = value if isinstance(value, list) else [value] * count
        if several and all(type(number) is int and number > 0 for number in several):
            return tuple(several)
        self.faults.append(f"{key} is {shown(value)}; expected numbers from 1 up")
        return tuple(default)

    def blocks(
        self, key: str, known: Mapping[str, bool], default: list[bool], count: int
    ) -> tuple[bool, ...]:
        """Look up the type of each of `count` blocks in `known`.

        If one is unknown or their number differs, record it and return the default.
        """
        if key not in self.content and len(default) == count:
            return tuple(default)
        types = self.content.get(key)
        if isinstance(types, list) and len(types) == count and all(name in known for name in types):
            return tuple(known[name] for name in types)
        self.faults.append(f"{key} is {shown(types)}; expected {count} of {' or '.join(known)}")
        return tuple((default * count)[:count])

    def divides(self, key: str, numbers: tuple[int, ...], divisors: tuple[int, ...]) -> None:
        """Record it if not every number is a multiple of its divisor."""
        if len(numbers) != len(divisors):
            self.faults.append(f"{key} has {len(divisors)} entries; expected {len(numbers)}")
        elif any(number % divisor for number, divisor in zip(numbers, divisors, strict=True)):
            self.faults.append(f"{key} is {list(divisors)}; expected to divide {list(numbers)}")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object. Raises ValueError, one line, when the file holds none."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file; expected the description of a checkpoint")
    try:
        text = path.read_text(encoding="utf-8")
        if text.lstrip().startswith("<"):
            raise ValueError("it is a web page: download it again")
        content = json.loads(text)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: broken ({error}); expected JSON") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path}: holds a {type(content).__name__}; expected a JSON object")
    return content


def shown(value: Any) -> str:
    """Format a value as JSON, without quotes, cut to 80 characters."""
    written = json.dumps(value).replace('"', "")
    return written if len(written) <= 80 else f"{written[:80]}…"
