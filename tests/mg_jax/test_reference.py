"""The reference's data directory, with tensors kept as numpy's so that no PyTorch is needed."""

import numpy as np
import pytest

from flows import tensors
from mg_jax import images, reference

H, W = 64, 48
GRID = (H // 8, W // 8)
LEVELS = 4


@pytest.fixture(autouse=True)
def numpy_instead_of_torch(monkeypatch):
    def read(path):
        with path.open("rb") as stream:
            return np.load(stream)

    monkeypatch.setattr(tensors, "read", read)
    monkeypatch.setattr(tensors, "write", lambda stream, _, array: np.save(stream, array))


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        np.save(stream, array)


def drawn(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    """Everything, as the reference has it."""
    place = tmp_path / "data" / "cup"
    place.mkdir(parents=True)
    images.write(place / "pred.png", np.arange(H * W * 3, dtype=np.uint8).reshape(H, W, 3))
    save(place / "start_zt.pth", drawn(1, 4, *GRID))
    save(place / "flows" / "right.pth", drawn(1, 2, H, W))
    save(place / "flows" / "right.mask.pth", np.tile(drawn(1, 1, *GRID) > 0, (1, 4, 1, 1)))
    for level in range(LEVELS):
        save(place / "latents" / f"zt.{level:05}.pth", level + drawn(1, 4, *GRID))
    save(place / "guidance_schedule.npy", np.linspace(0, 1, LEVELS))
    return place


def test_everything_is_read_in_our_axes(folder):
    found = reference.read(folder)
    assert found.image.shape == (H, W, 3)
    assert found.image.dtype == np.uint8
    np.testing.assert_array_equal(found.flow, drawn(1, 2, H, W)[0].transpose(1, 2, 0))
    np.testing.assert_array_equal(found.start, drawn(1, 4, *GRID)[0].transpose(1, 2, 0))
    assert found.latents.shape == (LEVELS, *GRID, 4)
    np.testing.assert_allclose(found.latents[3] - found.latents[0], 3, atol=1e-5)
    np.testing.assert_array_equal(found.keep, drawn(1, 1, *GRID)[0].transpose(1, 2, 0) > 0)
    np.testing.assert_allclose(found.ramp, np.linspace(0, 1, LEVELS), atol=1e-7)


def test_only_the_picture_must_be_there(tmp_path):
    images.write(tmp_path / "pred.png", np.zeros((H, W, 3), np.uint8))
    assert reference.read(tmp_path)[1:] == (None,) * 5


def test_the_schedule_may_stand_beside_the_folder(folder):
    (folder / "guidance_schedule.npy").rename(folder.parent / "guidance_schedule.npy")
    assert len(reference.read(folder).ramp) == LEVELS


def test_a_mask_keeps_its_channels_where_they_differ(folder):
    mask = drawn(1, 4, *GRID) > 0
    save(folder / "flows" / "right.mask.pth", mask)
    np.testing.assert_array_equal(reference.read(folder).keep, mask[0].transpose(1, 2, 0))


@pytest.mark.parametrize("name", ["up", "up.pth"])
def test_one_of_several_flows_is_read_by_its_name(folder, name):
    save(folder / "flows" / "up.pth", np.ones((1, 2, H, W), np.float32))
    found = reference.read(folder, name)
    assert (found.flow == 1).all()
    assert found.keep is None
    with pytest.raises(ValueError, match=r"flows: holds 2 flows; .*right, up"):
        reference.read(folder)


def test_what_is_written_is_read(folder, tmp_path):
    inputs = reference.read(folder)
    reference.write(tmp_path / "copy", inputs, "right")
    for found, expected in zip(reference.read(tmp_path / "copy", "right"), inputs, strict=True):
        np.testing.assert_array_equal(found, expected)
    raw = tensors.read(tmp_path / "copy" / "flows" / "right.mask.pth")
    assert raw.shape == (1, 4, *GRID)


def test_latents_replace_all_that_were_there_and_are_the_start(folder):
    new = drawn(LEVELS - 1, *GRID, 4)
    reference.write_latents(folder, new)
    (folder / "guidance_schedule.npy").unlink()
    found = reference.read(folder)
    np.testing.assert_array_equal(found.latents, new)
    np.testing.assert_array_equal(found.start, new[0])
    assert not list(folder.glob(".*"))


def test_latents_cleanest_first_are_told_from_noisiest_first(folder):
    y, x = np.mgrid[: GRID[0], : GRID[1]]
    clean = np.broadcast_to((y + x - 6.0) / 4, (4, *GRID)).astype(np.float32)
    noisy = drawn(4, *GRID)
    shares = np.linspace(0, 1, LEVELS)[:, None, None, None]
    trajectory = (np.sqrt(1 - shares) * noisy + np.sqrt(shares) * clean).transpose(0, 2, 3, 1)
    reference.write_latents(folder, trajectory.astype(np.float32))
    assert reference.read(folder).latents.shape[0] == LEVELS
    reference.write_latents(folder, trajectory[::-1].astype(np.float32))
    with pytest.raises(ValueError, match=r"latents: cleanest first, as .*ddim_inversion.py"):
        reference.read(folder)


def nan(*shape):
    return np.full(shape, np.nan, np.float32)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("start_zt.pth", drawn(4, *GRID), "holds .*; expected .1, 4, 8, 6"),
        ("start_zt.pth", np.ones((1, 4, *GRID), int), "int64; expected floating"),
        ("start_zt.pth", nan(1, 4, *GRID), "NaN"),
        ("latents/zt.00002.pth", drawn(1, 4, 64, 64), "expected .1, 4, 8, 6"),
        ("latents/zt.00002.pth", nan(1, 4, *GRID), "NaN"),
        ("latents/zt.00006.pth", drawn(1, 4, *GRID), "zt.00004.pth: missing"),
        ("flows/right.pth", nan(1, 2, H, W), "NaN"),
        ("flows/right.pth", drawn(1, 2, 8, 8), "expected .1, 2, 64, 48"),
        ("flows/right.pth", drawn(H, W, 2), "GUI .*permute"),
        ("flows/right.mask.pth", drawn(1, 4, *GRID), "float32; expected bool"),
        ("flows/right.mask.pth", np.ones((1, 4, H, W), bool), "expected .1, 4, 8, 6"),
        ("guidance_schedule.npy", np.ones(LEVELS + 1), "5 values; expected 4"),
        ("guidance_schedule.npy", np.ones((2, 2)), "expected .4"),
    ],
)
def test_a_fault_is_one_line_that_names_the_file(folder, file, content, said):
    save(folder / file, content)
    with pytest.raises(ValueError, match=said) as caught:
        reference.read(folder)
    assert "\n" not in str(caught.value)
    named = "latents/zt" if "latents" in file else file
    assert named in str(caught.value)


@pytest.mark.parametrize("missing", [0, 2, LEVELS - 1])
def test_the_first_missing_latent_is_named(folder, missing):
    (folder / "latents" / f"zt.{missing:05}.pth").unlink()
    with pytest.raises(ValueError, match=f"zt.{missing:05}.pth"):
        reference.read(folder, levels=LEVELS)


@pytest.mark.parametrize(
    ("shape", "said"), [((H, W + 1), "49x64; expected .* multiples of 8"), (None, "no such")]
)
def test_a_wrong_or_missing_picture_is_named(folder, shape, said):
    (folder / "pred.png").unlink()
    if shape:
        images.write(folder / "pred.png", np.zeros((*shape, 3), np.uint8))
    with pytest.raises(ValueError, match=f"pred.png: .*{said}"):
        reference.read(folder)


def test_an_unknown_flow_and_a_missing_folder_are_named(folder):
    with pytest.raises(ValueError, match=r"flows/left.pth: no such flow; .*: right"):
        reference.read(folder, "left")
    with pytest.raises(ValueError, match="nowhere: no such folder"):
        reference.read(folder / "nowhere")
    (folder / "file").write_text("")
    with pytest.raises(ValueError, match="file: cannot be made"):
        reference.write_latents(folder / "file", drawn(1, *GRID, 4))


def test_a_failed_writing_leaves_the_old_latents(folder, monkeypatch):
    before = reference.read(folder).latents

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tensors, "write", full)
    with pytest.raises(ValueError, match=r"latents: cannot be written .No space"):
        reference.write_latents(folder, drawn(2, *GRID, 4))
    np.testing.assert_array_equal(reference.read(folder).latents, before)
