"""What a JSON file says of a checkpoint, checked: all that is wrong with it is told at once."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Description:
    """A JSON object, and in words what of it is not as expected."""

    def __init__(self, given: Mapping[str, Any]):
        self.given = given
        self.faults: list[str] = []

    def expect(self, accepted: Mapping[str, tuple[Any, ...]]) -> None:
        """Note each key whose value is none of those accepted; a missing key has the first."""
        for key, values in accepted.items():
            found = self.given.get(key, values[0])
            if found not in values:
                self.faults.append(f"{key} is {shown(found)}; expected {shown(values[0])}")

    def whole(self, key: str, default: int) -> int:
        """A number from 1 up."""
        return self.wholes(key, [default])[0]

    def wholes(self, key: str, default: list[int], count: int = 1) -> tuple[int, ...]:
        """Numbers from 1 up; one of them stands for `count` equal ones."""
        found = self.given.get(key, default)
        several = found if isinstance(found, list) else [found] * count
        if several and all(type(one) is int and one > 0 for one in several):
            return tuple(several)
        self.faults.append(f"{key} is {shown(found)}; expected numbers from 1 up")
        return tuple(default)

    def blocks(
        self, key: str, known: Mapping[str, bool], default: list[bool], count: int
    ) -> tuple[bool, ...]:
        """What is known of each of `count` blocks by its type."""
        if key not in self.given and len(default) == count:
            return tuple(default)
        found = self.given.get(key)
        if isinstance(found, list) and len(found) == count and all(one in known for one in found):
            return tuple(known[one] for one in found)
        self.faults.append(f"{key} is {shown(found)}; expected {count} of {' or '.join(known)}")
        return tuple((default * count)[:count])

    def divides(self, key: str, numbers: tuple[int, ...], divisors: tuple[int, ...]) -> None:
        """Note when not each number can be divided by its divisor."""
        if len(numbers) != len(divisors):
            self.faults.append(f"{key} has {len(divisors)} entries; expected {len(numbers)}")
        elif any(one % divisor for one, divisor in zip(numbers, divisors, strict=True)):
            self.faults.append(f"{key} is {list(divisors)}; expected to divide {list(numbers)}")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object. Raises ValueError, one line, when there is none."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file; expected the description of a checkpoint")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: broken ({error}); expected JSON") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path}: holds a {type(content).__name__}; expected a JSON object")
    return content


def shown(value: Any) -> str:
    """A value as JSON has it, without quotes and not at length."""
    written = json.dumps(value).replace('"', "")
    return written if len(written) <= 80 else f"{written[:80]}…"
