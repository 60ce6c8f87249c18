"""The document of a studio: a photo, its parts in words, and how the edit is run."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flows import motions, selections

_MOST_PARTS = 32
_LONGEST = 4000  # characters of a text
_LARGEST_SEED = 2**31 - 1
_MOST_SAMPLES = 16
_MASK = re.compile(r"mask-[0-9a-f]{16}\.png")
_PHOTO = re.compile(r"photo-[0-9a-f]{16}\.(png|jpg|webp)")
_PARTS = "parts"


@dataclass(frozen=True)
class Part:
    """What moves, and how."""

    selection: str  # words of `flows.selections`, or the name of a mask of the session
    motion: str = ""  # words of `flows.motions`; empty: it rests

    @property
    def is_mask(self) -> bool:
        """Whether the selection is a mask of the session rather than words."""
        return _MASK.fullmatch(self.selection) is not None


@dataclass(frozen=True)
class Document:
    """All that a studio's edit depends on. Later parts lie on top.

    Raises:
        ValueError: one line; of a part, it begins with `parts[0].motion` or `parts[0].selection`.
    """

    photo: str = ""  # the name of a photo of the session; empty: none yet
    parts: tuple[Part, ...] = ()
    model: str = "patch"
    prompt: str = ""
    seed: int = 0
    size: int | None = None  # side of a square with the work's area; None: the model's own
    samples: int = 1

    def __post_init__(self) -> None:
        """Check all that can be checked without the photo."""
        if self.photo and not _PHOTO.fullmatch(self.photo):
            raise ValueError(f"photo: {self.photo!r}; expected the name of a photo of the session")
        if len(self.parts) > _MOST_PARTS:
            raise ValueError(f"parts: {len(self.parts)}; expected at most {_MOST_PARTS}")
        for i, part in enumerate(self.parts):
            where = f"{_PARTS}[{i}]"
            for name, text in (("selection", part.selection), ("motion", part.motion)):
                if len(text) > _LONGEST:
                    raise ValueError(
                        f"{where}.{name}: {len(text)} characters; expected at most {_LONGEST}"
                    )
            if not part.is_mask and part.selection.split(" ")[0] not in selections.SELECTIONS:
                raise ValueError(
                    f"{where}.selection: {part.selection[:80]!r}; expected words like 'click"
                    " 300,220', or a mask of the session"
                )
            if part.motion.strip():
                try:
                    motions.parse(part.motion)
                except ValueError as error:
                    raise ValueError(f"{where}.motion: {error}") from error
        if len(self.prompt) > _LONGEST:
            raise ValueError(f"prompt: {len(self.prompt)} characters; expected at most {_LONGEST}")
        if not 0 <= self.seed <= _LARGEST_SEED:
            raise ValueError(f"seed: {self.seed}; expected 0 to {_LARGEST_SEED}")
        if not 1 <= self.samples <= _MOST_SAMPLES:
            raise ValueError(f"samples: {self.samples}; expected 1 to {_MOST_SAMPLES}")

    @property
    def moving(self) -> tuple[Part, ...]:
        """The parts that have a motion, in order."""
        return tuple(part for part in self.parts if part.motion.strip())

    def files(self) -> set[str]:
        """Names of the session's files that it needs."""
        masks = {part.selection for part in self.parts if part.is_mask}
        return masks | ({self.photo} if self.photo else set())

    def to_json(self) -> dict[str, Any]:
        """The document as JSON's types."""
        return dataclasses.asdict(self) | {
            _PARTS: [dataclasses.asdict(part) for part in self.parts]
        }

    @staticmethod
    def of_json(found: Any) -> "Document":
        """Read what `to_json` wrote; nothing in it is trusted.

        Raises:
            ValueError: a field is missing, unknown, of another type or out of range.
        """
        values = _fields("document", found, Document)
        listed = values[_PARTS]
        if not isinstance(listed, Sequence) or isinstance(listed, str):
            raise ValueError("parts: expected a list of them")
        parts = [Part(**_fields(f"{_PARTS}[{i}]", part, Part)) for i, part in enumerate(listed)]
        return Document(**(values | {_PARTS: tuple(parts)}))


_TYPES: dict[str, tuple[type, ...]] = {
    "photo": (str,),
    "selection": (str,),
    "motion": (str,),
    "model": (str,),
    "prompt": (str,),
    "seed": (int,),
    "size": (int, type(None)),
    "samples": (int,),
}


def _fields(where: str, found: Any, kind: type[Document] | type[Part]) -> dict[str, Any]:
    """The values of exactly a class's fields, each of the right type."""
    names = {field.name for field in dataclasses.fields(kind)}
    if not isinstance(found, Mapping) or set(found) != names:
        raise ValueError(f"{where}: expected an object with {', '.join(sorted(names))}")
    for name, value in found.items():
        types = _TYPES.get(name)
        if types and (not isinstance(value, types) or isinstance(value, bool)):
            raise ValueError(
                f"{where}.{name}: {type(value).__name__}; expected {types[0].__name__}"
            )
    return dict(found)
