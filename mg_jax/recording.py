"""What is kept of a run besides its result: the history, and the estimates of some levels."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import UInt8

from mg_jax import history
from mg_jax.sample import Step

_ESTIMATES = "estimates"


class Recording:
    """The record of a run, which grows level by level.

    Args:
        samples: number of the run's samples.
        every: keep the first sample's estimate of every so many levels; 0: of none.
    """

    def __init__(self, samples: int, every: int):
        self._samples, self._every = samples, every
        self._parts: list[history.History] = []
        self.estimates: list[UInt8[np.ndarray, "h w 3"]] = []

    @property
    def history(self) -> history.History:
        """Energies, terms and guidance of all guided levels so far."""
        return history.joined(self._parts, self._samples)

    def add(self, step: Step) -> None:
        """Record a level."""
        part = history.of_step(step)
        if part is not None:
            self._parts.append(part)
        if self._every and step.info is not None and step.done % self._every == 0:
            self.estimates.append(step.picture()[0])

    def arrays(self) -> dict[str, np.ndarray]:
        """All that has been recorded; empty if nothing has."""
        named = history.arrays(self.history) if self._parts else {}
        return {**named, **({_ESTIMATES: np.stack(self.estimates)} if self.estimates else {})}

    def restore(self, named: Mapping[str, np.ndarray]) -> None:
        """Begin with what `arrays` returned in a run that was stopped."""
        columns = dict(named)
        self.estimates = list(columns.pop(_ESTIMATES, ()))
        self._parts = [history.from_arrays(columns)] if columns else []
