"""Flow files of the PyTorch reference: [1, 2, H, W] under .pth."""

import numpy as np
import pytest
import torch

from flows import files


def test_a_reference_file_has_dx_in_its_first_channel(tmp_path):
    path = tmp_path / "left.pth"
    tensor = torch.zeros(1, 2, 5, 7)
    tensor[:, 0, 2, 3] = -4.5
    torch.save(tensor, path)
    np.testing.assert_array_equal(files.read(path)[2, 3], [-4.5, 0])


def test_what_is_written_is_what_the_reference_reads(tmp_path):
    path = tmp_path / "a.pth"
    flow = np.random.default_rng(0).normal(0, 9, (5, 7, 2)).astype(np.float32)
    files.write(path, flow)
    assert torch.load(path, weights_only=True).shape == (1, 2, 5, 7)
    np.testing.assert_array_equal(files.read(path), flow)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({"flow": torch.zeros(1, 2, 5, 7)}, "holds a dict"),
        (torch.zeros(5, 7, 3), r"shape \[5, 7, 3\]"),
        (torch.zeros(1, 2, 5, 7, dtype=torch.int32), "int32"),
        (open, "not a plain tensor"),
        (torch.zeros(1, 2, 5, 7).to_sparse(), r"a\.pth: holds a tensor that is no array"),
        (
            torch.zeros(1, 2, 5, 7).to(torch.float8_e4m3fnuz),
            r"a\.pth: holds a tensor that is no array",
        ),
    ],
)
def test_other_content_is_refused(tmp_path, content, complaint):
    path = tmp_path / "a.pth"
    torch.save(content, path)
    with pytest.raises(ValueError, match=complaint):
        files.read(path)


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_a_file_cut_short_is_refused(tmp_path, share):
    path = tmp_path / "a.pth"
    torch.save(torch.zeros(1, 2, 5, 7), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match="not a plain tensor"):
        files.read(path)
