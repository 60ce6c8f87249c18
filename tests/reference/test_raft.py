"""RAFT against torchvision's, with the same weights, on real photos, in float32.

A gradient jumps where the input of a rectifier passes zero. Among millions of rectifiers a few are
so near zero that rounding decides, in PyTorch too: its float32 gradients stray up to 1e-3 from its
own float64 ones, around a few pixels. So gradients are compared twice: as they are, at the median
pixel; and as a whole with all rectifiers smoothed, on both sides, where nothing jumps.
"""

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from flows import raft

PHOTOS = Path(__file__).parents[2] / "experiments" / "data"
HEIGHT, WIDTH = 128, 160
KINDS = {
    "sparse": torch.Tensor.to_sparse,
    "float8": lambda tensor: tensor.to(torch.float8_e4m3fnuz),
    "without data": lambda tensor: tensor.to("meta"),
}
CASES = [("raft-small", "running"), ("raft-sintel", "running"), ("raft-sintel", "batch")]


@cache
def pairs() -> tuple[np.ndarray, np.ndarray]:
    """Two photos, and the same photos warped smoothly by up to 12 px."""
    first, second = [], []
    for i, name in enumerate(("coffee.png", "chelsea.png")):
        photo = Image.open(PHOTOS / name).convert("RGB").resize((WIDTH + 32, HEIGHT + 32))
        image = np.asarray(photo, np.float64) / 127.5 - 1
        y, x = np.mgrid[16 : HEIGHT + 16, 16 : WIDTH + 16]
        dx = 6 * np.sin(y / 40 + i) + 4
        dy = 5 * np.cos(x / 50 + i) - 2
        planes = [
            ndimage.map_coordinates(image[..., c], (y - dy, x - dx), order=1) for c in (0, 1, 2)
        ]
        first.append(image[16:-16, 16:-16])
        second.append(np.stack(planes, -1))
    return np.stack(first).astype(np.float32), np.stack(second).astype(np.float32)


def direction() -> np.ndarray:
    """Weights of the flow in the energy that is differentiated; no absolute value, no kink."""
    return np.random.default_rng(0).normal(1, 1, (2, HEIGHT, WIDTH, 2)).astype(np.float32)


class Found(NamedTuple):
    flow: np.ndarray
    gradients: tuple[np.ndarray, np.ndarray]  # with respect to the first and the second image


class Oracle:
    """torchvision's RAFT with princeton-vl's weights."""

    def __init__(self, state: dict[str, torch.Tensor], statistics: str):
        from torchvision.models import optical_flow

        small = not any("mask" in name for name in state)
        self.model = (optical_flow.raft_small if small else optical_flow.raft_large)()
        renamed = {rename(name, 3 if small else 2): value for name, value in state.items()}
        self.model.load_state_dict(renamed)
        self.model.train(statistics == "batch").requires_grad_(requires_grad=False)

    def __call__(self, updates: int) -> Found:
        images = [torch.from_numpy(x).permute(0, 3, 1, 2).requires_grad_() for x in pairs()]
        flow = self.model(*images, updates)[-1].permute(0, 2, 3, 1)
        energy = (flow * torch.from_numpy(direction())).mean()
        gradients = torch.autograd.grad(energy, images)
        moved = (gradient.permute(0, 2, 3, 1).numpy() for gradient in gradients)
        return Found(flow.detach().numpy(), tuple(moved))


def rename(name: str, convs: int) -> str:
    """A princeton-vl name as torchvision's; `convs` is the number of them in a block."""
    rules = (
        (r"^module\.", ""),
        (r"^fnet\.", "feature_encoder."),
        (r"^cnet\.", "context_encoder."),
        (r"^(\w+_encoder)\.conv1\.", r"\1.convnormrelu.0."),
        (r"^(\w+_encoder)\.norm1\.", r"\1.convnormrelu.1."),
        (r"^(\w+_encoder)\.conv2\.", r"\1.conv."),
        (rf"(layer\d\.\d)\.norm{convs + 1}\.", r"\1.downsample.1."),
        (r"(layer\d\.\d)\.conv(\d)\.", r"\1.convnormrelu\2.0."),
        (r"(layer\d\.\d)\.norm(\d)\.", r"\1.convnormrelu\2.1."),
        (r"block\.encoder\.convc(\d)", r"block.motion_encoder.convcorr\1.0"),
        (r"block\.encoder\.convf(\d)", r"block.motion_encoder.convflow\1.0"),
        (r"block\.encoder\.conv\.", "block.motion_encoder.conv.0."),
        (r"block\.gru\.conv([zrq])\.", r"block.recurrent_block.convgru1.conv\1."),
        (r"block\.gru\.conv([zrq])(\d)\.", r"block.recurrent_block.convgru\2.conv\1."),
        (r"^update_block\.mask\.0", "mask_predictor.convrelu.0"),
        (r"^update_block\.mask\.2", "mask_predictor.conv"),
    )
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name


def read(path: Path, name: str) -> dict[str, torch.Tensor]:
    """The published tensors; the small model's rounded as the shipped ones are."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    return {k: v.half().float() for k, v in state.items()} if name == "raft-small" else state


def ours(net: raft.Raft, updates: int) -> Found:
    def energy(params, first, second):
        flow = net.flow(params, first, second, updates)
        return jnp.mean(flow * direction()), flow

    compute = jax.jit(jax.value_and_grad(energy, argnums=(1, 2), has_aux=True))
    (_, flow), gradients = compute(net.params, *map(jnp.asarray, pairs()))
    return Found(np.asarray(flow), tuple(map(np.asarray, gradients)))


def both(published, name: str, statistics: str, updates: int) -> tuple[Found, Found]:
    theirs = Oracle(read(published(name), name), statistics)(updates)
    file = name if name == "raft-small" else str(published(name))
    return ours(raft.load(file, statistics=statistics), updates), theirs


@pytest.mark.parametrize("updates", [5, 12])
@pytest.mark.parametrize(("name", "statistics"), CASES)
def test_flow_and_gradients(published, name, statistics, updates):
    mine, theirs = both(published, name, statistics, updates)
    distance = np.abs(mine.flow - theirs.flow).max()
    medians = [
        np.median(np.linalg.norm(a - b, axis=-1)) / np.sqrt(np.square(b).sum(-1).mean())
        for a, b in zip(mine.gradients, theirs.gradients, strict=True)
    ]
    print(
        f"{name}, {statistics} statistics, {updates} updates: flow within {distance:.1e} px,"
        f" gradients at the median pixel within {medians[0]:.1e} and {medians[1]:.1e}"
    )
    assert distance < 1e-3
    assert max(medians) < 1e-4


@pytest.mark.parametrize(("name", "statistics"), CASES)
def test_gradients_with_smooth_rectifiers(published, name, statistics):
    def in_torch(x: torch.Tensor, inplace: bool = False) -> torch.Tensor:
        del inplace
        return x * torch.sigmoid(10 * x)

    def in_jax(x: jax.Array) -> jax.Array:
        return x * jax.nn.sigmoid(10 * x)

    with mock.patch("torch.nn.functional.relu", in_torch), mock.patch("jax.nn.relu", in_jax):
        mine, theirs = both(published, name, statistics, 5)
    relative = [
        np.linalg.norm(a - b) / np.linalg.norm(b)
        for a, b in zip(mine.gradients, theirs.gradients, strict=True)
    ]
    print(
        f"{name}, {statistics} statistics, smooth: gradients within {relative[0]:.1e}"
        f" and {relative[1]:.1e}"
    )
    assert max(relative) < 1e-4


@pytest.mark.parametrize("name", ["raft-small", "raft-sintel", "raft-kitti"])
def test_published_files_are_read_as_torch_reads_them(published, name):
    state = torch.load(published(name), map_location="cpu", weights_only=True)
    arrays = raft.read(published(name))
    assert set(arrays) == {key for key in state if "num_batches_tracked" not in key}
    for key, array in arrays.items():
        np.testing.assert_array_equal(array, state[key].numpy())


def test_shipped_weights_are_the_published_ones_rounded(published):
    original = raft.to_arrays(raft.load(str(published("raft-small"))).params)
    shipped = raft.to_arrays(raft.load("raft-small").params)
    for path, array in original.items():
        np.testing.assert_array_equal(shipped[path], array.astype(np.float16).astype(np.float32))


def test_other_checkpoints_are_read_through_torch(tmp_path):
    """A torchvision state dict, which no table knows."""
    from torchvision.models import optical_flow

    torch.manual_seed(0)
    state = optical_flow.raft_large().state_dict()
    torch.save(state, tmp_path / "large.pth")
    net = raft.load(str(tmp_path / "large.pth"))
    kernel = raft.to_arrays(net.params)["features.stem.conv.kernel"]
    theirs = state["feature_encoder.convnormrelu.0.weight"].numpy()
    np.testing.assert_array_equal(kernel, theirs.transpose(2, 3, 1, 0))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_read_as_float32(tmp_path, dtype):
    ours = raft.to_arrays(raft.load("raft-small").params)
    state = {name: torch.tensor(array).to(dtype) for name, array in ours.items()}
    torch.save(state, tmp_path / "other.pth")
    found = raft.to_arrays(raft.load(str(tmp_path / "other.pth")).params)
    for name, tensor in state.items():
        assert found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name], tensor.float().numpy())


@pytest.mark.parametrize("kind", KINDS)
def test_tensors_that_are_no_arrays_are_refused_by_name(tmp_path, kind):
    path = tmp_path / "odd.pth"
    torch.save({"module.update_block.bias": KINDS[kind](torch.ones(2, 3))}, path)
    with pytest.raises(ValueError, match="expected a dense one") as caught:
        raft.load(str(path))
    assert str(caught.value).startswith(f"{path}: module.update_block.bias: holds a tensor that is")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"garbage", "not a readable PyTorch checkpoint"),
        (b"", "not a readable PyTorch checkpoint"),
        ([1, 2], "no flat dictionary of tensors"),
        (print, "not a readable PyTorch checkpoint"),
    ],
    ids=["garbage", "empty", "a list", "a function"],
)
def test_files_that_are_no_state_dicts(tmp_path, content, complaint):
    path = tmp_path / "bad.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(ValueError, match=complaint) as caught:
        raft.load(str(path))
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
