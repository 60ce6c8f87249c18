"""The reference's data directory, written and read by PyTorch as the reference does."""

import numpy as np
import pytest
import torch

from mg_jax import images, reference
from mg_jax.reference import Inputs

H, W, LEVELS = 64, 48, 3


def drawn(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def inputs():
    return Inputs(
        image=np.zeros((H, W, 3), np.uint8),
        flow=drawn(H, W, 2),
        keep=drawn(H // 8, W // 8, 1) > 0,
        start=drawn(H // 8, W // 8, 4),
        latents=drawn(LEVELS, H // 8, W // 8, 4),
        ramp=drawn(LEVELS),
    )


def test_what_is_written_torch_reads_in_the_references_axes(tmp_path):
    given = inputs()
    reference.write(tmp_path, given, "down150")
    load = torch.load
    flow = load(tmp_path / "flows" / "down150.pth")
    mask = load(tmp_path / "flows" / "down150.mask.pth")
    cached = torch.stack([load(tmp_path / "latents" / f"zt.{i:05}.pth") for i in range(LEVELS)])
    assert (flow.shape, flow.dtype) == ((1, 2, H, W), torch.float32)
    assert (mask.shape, mask.dtype) == ((1, 4, H // 8, W // 8), torch.bool)
    assert cached.shape == (LEVELS, 1, 4, H // 8, W // 8)
    np.testing.assert_array_equal(flow[0].permute(1, 2, 0), given.flow)
    np.testing.assert_array_equal(cached[:, 0].permute(0, 2, 3, 1), given.latents)
    np.testing.assert_array_equal(mask[0, 3], given.keep[..., 0])
    start = load(tmp_path / "start_zt.pth")
    np.testing.assert_array_equal(start[0].permute(1, 2, 0), given.start)
    cached[0][mask] = 0  # as the sampler uses it


def test_what_is_written_is_read(tmp_path):
    reference.write(tmp_path, inputs(), "down150")
    for found, expected in zip(reference.read(tmp_path, "down150.pth"), inputs(), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_latents_of_other_precisions_are_read_as_float32(tmp_path, dtype):
    images.write(tmp_path / "pred.png", np.zeros((H, W, 3), np.uint8))
    tensor = torch.ones(1, 4, H // 8, W // 8, dtype=dtype, requires_grad=True)
    torch.save(tensor, tmp_path / "start_zt.pth")
    start = reference.read(tmp_path).start
    assert start.dtype == np.float32
    assert (start == 1).all()


class Dangerous:
    def __reduce__(self):
        return (print, ("this must not run",))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"a": torch.ones(1)}, "holds a dict"),
        (Dangerous(), "not a plain tensor"),
        (torch.ones(1, 4, 8, 6, dtype=torch.uint8), "uint8; expected floating"),
        (torch.ones(1, 4, 8, 6).to_sparse(), "no array .*; expected a dense one"),
        (torch.ones(1, 4, 8, 6).to(torch.float8_e5m2fnuz), "no array .*; expected a dense one"),
        (torch.ones(1, 4, 8, 6, device="meta"), "no array .*; expected a dense one"),
    ],
)
def test_nothing_but_a_tensor_is_read(tmp_path, capsys, content, said):
    images.write(tmp_path / "pred.png", np.zeros((H, W, 3), np.uint8))
    torch.save(content, tmp_path / "start_zt.pth")
    with pytest.raises(ValueError, match=f"start_zt.pth: .*{said}"):
        reference.read(tmp_path)
    assert capsys.readouterr().out == ""


def test_a_file_cut_short_is_named(tmp_path):
    reference.write(tmp_path, inputs(), "a")
    path = tmp_path / "latents" / "zt.00001.pth"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"zt.00001.pth: broken"):
        reference.read(tmp_path)
