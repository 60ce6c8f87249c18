"""NumPy's formats: `.npy`, and `.npz` with the key `flow`."""

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from flows.files.format import FaultError, Flow, Format, Known, begins_with

_ZIP_MAGIC = b"PK\x03\x04"

# numpy gets an open file, since it leaks the handle of a broken archive that it opened itself. The
# first bytes are checked here, since numpy's message calls all other content a pickle.


def _read_npz(path: Path) -> tuple[Any, None]:
    with path.open("rb") as stream:
        begins_with(stream, _ZIP_MAGIC, "an .npz archive")
        archive = np.load(stream, allow_pickle=False)
        if "flow" not in archive:
            keys = ", ".join(repr(key) for key in archive.files) or "none"
            raise FaultError(f"has no key 'flow' (but {keys}); expected an array of that name")
        return archive["flow"], None


def _write_npz(stream: BinaryIO, flow: Flow, _known: Known) -> None:
    np.savez_compressed(stream, flow=flow)


def _read_npy(path: Path) -> tuple[Any, None]:
    with path.open("rb") as stream:
        begins_with(stream, np.lib.format.MAGIC_PREFIX, "an .npy file")
        return np.load(stream, allow_pickle=False), None


def _write_npy(stream: BinaryIO, flow: Flow, _known: Known) -> None:
    np.save(stream, flow, allow_pickle=False)


NPZ = Format(_read_npz, _write_npz, marks_unknown=False)
NPY = Format(_read_npy, _write_npy, marks_unknown=False)
