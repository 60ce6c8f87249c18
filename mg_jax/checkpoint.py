"""Save a run while it is made, and go on with it after a stop.

A run's folder holds `run.json`, what the run is of (see `mg_jax.fingerprint`), and for each phase
the states after the last two levels that were saved, written by Orbax in the background. A state
that was half written when the process was killed is not seen again. Beside each state lies what had
been recorded. Of several processes each has a `run.json` and records of its own; states are of all.
"""

import contextlib
import json
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from flows import files
from mg_jax import orbax, preemption
from mg_jax.fingerprint import Fingerprint, differences
from mg_jax.notes import EditWarning
from mg_jax.preemption import Preempted
from mg_jax.sample import Phase, Step

EVERY = 10
_FORMAT = "1"
_KEPT = 2  # states of each phase


class SavedRun:
    """A run in a folder; `opened` makes one."""

    def __init__(
        self,
        folder: Path,
        every: int,
        stopping: Callable[[], bool],
        ocp: Any,
        stack: contextlib.ExitStack,
    ):
        self._folder, self._every, self._stopping = folder, every, stopping
        self._ocp, self._stack = ocp, stack
        self._phases: dict[str, Any] = {}
        self.record: dict[str, np.ndarray] = {}
        """What `save` was given beside the state that the last resumed phase goes on from."""

    def resume(self, phase: Phase) -> tuple[int, Any]:
        """Go on after the phase's last saved level (see `mg_jax.sample.Resume`).

        Raises:
            ValueError: the saved state cannot be read.
        """
        if not _savable(phase.start):
            return 0, phase.start
        saved = self._phase(phase.name)
        if saved.latest is None:
            return 0, phase.start
        leaves, structure = jax.tree.flatten(phase.start)
        wanted = {
            name: jax.ShapeDtypeStruct(  # type: ignore[no-untyped-call]
                leaf.shape, leaf.dtype, sharding=leaf.sharding
            )
            for name, leaf in _named(leaves).items()
        }
        try:
            kept = saved.load_checkpointables(None, {"state": wanted})["state"]
            with np.load(self._record(phase.name, saved.latest.step), allow_pickle=False) as record:
                self.record = dict(record)
        except (ValueError, KeyError, OSError) as error:
            raise ValueError(
                f"{self._folder}: cannot be read ({str(error).partition(chr(10))[0]});"
                " remove it to start again"
            ) from error
        return saved.latest.step, jax.tree.unflatten(structure, [kept[name] for name in wanted])

    def save(self, step: Step, record: Callable[[], Mapping[str, np.ndarray]]) -> None:
        """Save the state after a level if it is due, with what `record` returns: named arrays.

        It is due after every so many levels, after a phase's last, and when the process is told to
        end. Where a state cannot be written, an `EditWarning` says why; the last whole one stays.

        Raises:
            Preempted: the process is told to end; a line on standard error says whether the state
                is saved.
        """
        stopping = self._stopping()
        if not (stopping or step.done % self._every == 0 or step.done == step.levels):
            return
        fault = ""
        try:
            self._write(step, record())
            if stopping:
                self._phase(step.phase).wait()
        except (ValueError, OSError) as error:
            self._record(step.phase, step.done).unlink(missing_ok=True)
            fault = f"{self._folder}: not saved ({str(error).partition(chr(10))[0]})"
        if stopping:
            told = fault or f"saved in {self._folder}, the same call goes on"
            print(
                f"stopped after level {step.done} of {step.levels} ({step.phase}); {told}",
                file=sys.stderr,
            )
            raise Preempted
        if fault:
            warnings.warn(fault, EditWarning, stacklevel=2)

    def _write(self, step: Step, record: Mapping[str, np.ndarray]) -> None:
        """Write the record, and begin to write the state."""
        if not _savable(step.state):
            raise ValueError("each of the processes has a state of its own")
        with files.atomic(self._record(step.phase, step.done)) as stream:
            np.savez(stream, **record)  # type: ignore[arg-type]
        phase = self._phase(step.phase)
        content = {"state": _named(jax.tree.leaves(step.state))}
        phase.save_checkpointables_async(step.done, content, force=True)
        needed = {step.done, *(kept.step for kept in phase.checkpoints)}
        for path in self._folder.glob(f"{step.phase}.*{_of_process()}.npz"):
            if path not in {self._record(step.phase, done) for done in needed}:
                path.unlink()

    def _record(self, phase: str, done: int) -> Path:
        """The file of what had been recorded after so many levels of a phase."""
        return self._folder / f"{phase}.{done}{_of_process()}.npz"

    def _phase(self, name: str) -> Any:
        """Orbax's checkpointer of a phase."""
        if name not in self._phases:
            training = self._ocp.training
            self._phases[name] = self._stack.enter_context(
                contextlib.closing(
                    training.Checkpointer(
                        self._folder.absolute() / name,
                        preservation_policy=training.preservation_policies.LatestN(_KEPT),
                        cleanup_tmp_directories=True,
                    )
                )
            )
        return self._phases[name]


@contextlib.contextmanager
def opened(folder: Path, fingerprint: Fingerprint, every: int = EVERY) -> Iterator[SavedRun]:
    """Open the folder of a run, new or stopped; when the block ends all is written.

    SIGTERM is caught in the block: `SavedRun.save` then saves and raises.

    Raises:
        ValueError: the folder is of another run, or of something else, or cannot be written;
            `every` is below 1.
    """
    if every < 1:
        raise ValueError(f"checkpoint_every: {every}; expected at least 1")
    _check(folder, {"format": _FORMAT, **fingerprint})
    with (
        orbax.quiet() as ocp,
        preemption.watched() as stopping,
        contextlib.ExitStack() as stack,
    ):
        yield SavedRun(folder, every, stopping, ocp, stack)


def remove(folder: Path) -> None:
    """Remove a run's folder, once all processes have come here; a part of it looks like no run."""
    if jax.process_count() > 1:
        from jax.experimental import multihost_utils

        multihost_utils.sync_global_devices("a run's folder is no longer needed")
    if folder.is_dir() and jax.process_index() == 0:
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as beside:
            shutil.move(folder, beside)


def _check(folder: Path, fingerprint: Fingerprint) -> None:
    """Refuse a folder that is not of this run; write what a new one is of."""
    run = folder / f"run{_of_process()}.json"
    if run.is_file():
        try:
            stored = json.loads(run.read_text())
        except (OSError, ValueError) as error:
            raise ValueError(f"{run}: cannot be read ({error}); expected a run's record") from error
        others = differences(stored, fingerprint)
        if others:
            raise ValueError(
                f"{folder}: holds another run ({'; '.join(others)}); expected the same run, another"
                " folder, or none there"
            )
        return
    begun = folder.is_dir() and any(folder.glob("run.*json"))  # by another process
    if folder.exists() and not begun and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder}: is not a run's folder; expected one, an empty one or none")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"{folder}: cannot be made ({error.strerror})") from error
    with files.atomic(run) as stream:
        stream.write((json.dumps(fingerprint, indent=2) + "\n").encode())


def _savable(state: Any) -> bool:
    """Whether Orbax takes a state: of several processes, one that spans them, as that of sampling.

    A photo's inversion is a process' own; there it begins again.
    """
    spans = not all(leaf.is_fully_addressable for leaf in jax.tree.leaves(state))
    return jax.process_count() == 1 or spans


def _of_process() -> str:
    """What tells this process' files from those of others."""
    return f".{jax.process_index()}" if jax.process_count() > 1 else ""


def _named(leaves: list[Any]) -> dict[str, Any]:
    """Leaves of a state by their place, as Orbax knows no types of ours."""
    return {f"{place:04}": leaf for place, leaf in enumerate(leaves)}
