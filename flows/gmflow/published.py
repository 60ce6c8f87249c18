"""The published GMFlow checkpoint, read without running pickled code: see `flows.raft.published`.

It is the version with a refinement at a second scale, as shipped by a package for frame
interpolation.
"""

from functools import cache
from pathlib import Path

from flows.raft.published import Published, read_table

_TABLE = Path(__file__).parent / "weights" / "published.json"


@cache
def checkpoint() -> Published:
    """Return the checkpoint's size and hash, and the places of its arrays."""
    return read_table(_TABLE)["gmflow"]
