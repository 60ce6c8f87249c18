"""Record of a run: energies, their terms and the guidance of every evaluation, as arrays."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int

from flows import files
from mg_jax import devices
from mg_jax.sample import Step

_TERMS = "terms."


class History(NamedTuple):
    """One row for each evaluation, in the order of the run; `b` samples."""

    level: Int[np.ndarray, " n"]  # position in the schedule
    recursion: Int[np.ndarray, " n"]
    energy: Float[np.ndarray, "n b"]
    guidance_norm: Float[np.ndarray, "n b"]  # before clipping
    terms: dict[str, Float[np.ndarray, "n b"]]  # as the energy names them; NaN where it had none


def of_step(step: Step) -> History | None:
    """Rows of a level, of this process's samples; None where nothing guides."""
    if step.info is None:
        return None
    energy = devices.local(step.info.energy)[0]  # a step is a `scan` over one level
    terms = {
        jax.tree_util.keystr(path, simple=True, separator="."): devices.local(values)[0]
        for path, values in jax.tree_util.tree_leaves_with_path(step.info.terms)
    }
    return History(
        np.full(len(energy), step.level),
        np.arange(len(energy)),
        energy,
        devices.local(step.info.guidance_norm)[0],
        terms,
    )


def joined(parts: Sequence[History], samples: int) -> History:
    """Concatenate the histories of a run's parts; without parts the result is empty."""
    none, nothing = np.zeros(0, np.int64), np.zeros((0, samples), np.float32)
    parts = [History(none, none, nothing, nothing, {}), *parts]
    names = dict.fromkeys(name for part in parts for name in part.terms)
    terms = {
        name: np.concatenate(
            [part.terms.get(name, np.full_like(part.energy, np.nan)) for part in parts]
        )
        for name in names
    }
    level, recursion, energy, norm = (
        np.concatenate(field) for field in list(zip(*parts, strict=True))[:4]
    )
    return History(level, recursion, energy, norm, terms)


def of_samples(history: History, first: int, count: int) -> History:
    """Pick the columns of `count` samples, from the `first` on."""
    columns = slice(first, first + count)
    return History(
        history.level,
        history.recursion,
        history.energy[:, columns],
        history.guidance_norm[:, columns],
        {name: values[:, columns] for name, values in history.terms.items()},
    )


def write(path: Path, history: History) -> None:
    """Write a history as .npz, whole or not at all."""
    with files.atomic(path) as stream:
        np.savez_compressed(stream, **arrays(history))  # type: ignore[arg-type]


def read(path: Path) -> History:
    """Read what `write` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        return from_arrays(stored)


def arrays(history: History) -> dict[str, np.ndarray]:
    """A history as named arrays; terms are named terms.NAME."""
    columns = history._asdict()
    terms = {_TERMS + name: values for name, values in columns.pop("terms").items()}
    return {**columns, **terms}


def from_arrays(named: Mapping[str, np.ndarray]) -> History:
    """The history of what `arrays` returns."""
    columns = dict(named)
    terms = {
        name.removeprefix(_TERMS): columns.pop(name)
        for name in list(columns)
        if name.startswith(_TERMS)
    }
    return History(**columns, terms=terms)
