"""The checkpoints that princeton-vl published, read without running pickled code.

A PyTorch checkpoint is a pickle that says where in the file each tensor's bytes are. For the three
files known by their SHA-256, `weights/published.json` says it instead: by name the offset, then the
shape, of little-endian float32 values.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

_TABLE = Path(__file__).parent / "weights" / "published.json"


@dataclass(frozen=True)
class Published:
    """A published checkpoint: its size and hash, and the places of its arrays."""

    name: str
    size: int  # bytes
    sha256: str
    arrays: Mapping[str, tuple[int, ...]]  # offset, then shape

    def check(self, content: bytes) -> None:
        """Raise ValueError if `content` is not this file, by size and SHA-256."""
        if len(content) != self.size:
            raise ValueError(f"{self.name}: {len(content)} bytes; expected {self.size}")
        if (digest := hashlib.sha256(content).hexdigest()) != self.sha256:
            raise ValueError(f"{self.name}: SHA-256 {digest}; expected {self.sha256}")

    def extract(self, content: bytes) -> dict[str, np.ndarray]:
        """Return its arrays by name. Raises ValueError when `content` is not this file."""
        self.check(content)
        return {
            name: np.frombuffer(content, "<f4", math.prod(shape), offset).reshape(shape)
            for name, (offset, *shape) in self.arrays.items()
        }


@cache
def checkpoints() -> dict[str, Published]:
    """Return RAFT's known checkpoints by name."""
    return read_table(_TABLE)


def read_table(path: Path) -> dict[str, Published]:
    """Read a table of checkpoints by name: size, hash, and the places of the arrays."""
    table = json.loads(path.read_text(encoding="utf-8"))
    return {
        name: Published(
            name,
            entry["bytes"],
            entry["sha256"],
            {array: tuple(place) for array, place in entry["arrays"].items()},
        )
        for name, entry in table.items()
    }


def recognize(path: Path) -> Published | None:
    """Return the known checkpoint that a file holds, by its SHA-256; None for any other file."""
    size = path.stat().st_size
    candidates = [known for known in checkpoints().values() if known.size == size]
    if not candidates:
        return None
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return next((known for known in candidates if known.sha256 == digest), None)
