"""The published checkpoint, read without running what is pickled in it: see `flows.raft.published`.

It is the one with a refinement at a second scale, as a package for frame interpolation ships it.
"""

from functools import cache
from pathlib import Path

from flows.raft.published import Published, read_table

_TABLE = Path(__file__).parent / "weights" / "published.json"


@cache
def checkpoint() -> Published:
    """Return its identity and the places of its arrays."""
    return read_table(_TABLE)["gmflow"]
