"""Which part of the cases is a process's own."""

import os
import re
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import jax

T = TypeVar("T")

# Variables of what starts processes: which this is, and how many there are.
_STARTED_BY = {
    "Slurm": ("SLURM_PROCID", "SLURM_NTASKS"),
    "Open MPI": ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
}


class Shard(NamedTuple):
    """Every `of`-th case, from the one with this number on."""

    number: int
    of: int

    def own(self, cases: Sequence[T]) -> Sequence[T]:
        """The cases of this shard."""
        return cases[self.number :: self.of]


def read(text: str) -> Shard:
    """Read a shard: "0/4", or "auto", as the other processes say (JAX's, Slurm's or Open MPI's).

    Raises:
        ValueError: it is neither, or nothing says which process this is.
    """
    if text == "auto":
        return _found()
    parts = re.fullmatch(r"(\d+)/(\d+)", text)
    if parts is None or int(parts[1]) >= int(parts[2]):
        raise ValueError(f"--shard: {text}; expected auto, or 0/4 to 3/4 for one of four")
    return Shard(int(parts[1]), int(parts[2]))


def _found() -> Shard:
    if jax.distributed.is_initialized():
        return Shard(jax.process_index(), jax.process_count())
    for number, count in _STARTED_BY.values():
        if number in os.environ and count in os.environ:
            return Shard(int(os.environ[number]), int(os.environ[count]))
    raise ValueError(
        "--shard: auto, but nothing says which process this is; expected --distributed,"
        f" {' or '.join(_STARTED_BY)}, or a shard as 0/4"
    )
