"""Flow files as people have them: taken where the meaning is sure, and told; else refused."""

import numpy as np
import pytest
from scipy import ndimage

from flows import adapting, files, fitting, masks, motions

H, W = 64, 96
SHAPE = (H, W)
OBJECT = np.zeros(SHAPE, bool)
OBJECT[20:40, 20:50] = True
FLOW = motions.field(motions.parse("translate dx=20 dy=-6"), OBJECT)
Y, X = np.mgrid[:H, :W]
WHOLE = np.stack([3 + X / 30, 2 - Y / 20], axis=-1).astype(np.float32)  # a camera that zooms


def saved(path, flow, known=None):
    if known is not None and path.suffix in (".npy", ".npz"):
        flow = np.where(known[..., None], flow, np.float32(np.nan))
    if path.suffix == ".npy":
        np.save(path, flow)
    elif path.suffix == ".npz":
        np.savez(path, flow=flow)
    else:
        files.write(path, flow, known)
    return path


def test_a_plain_file_is_taken_as_it_is_and_nothing_is_said(tmp_path):
    for suffix in (".npy", ".npz", ".flo", ".pfm"):
        found = adapting.read(saved(tmp_path / f"a{suffix}", FLOW), SHAPE)
        np.testing.assert_array_equal(found.flow, FLOW)
        assert found.notes == ()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("axes", ["h w 2", "2 h w", "1 2 h w", "1 h w 2"])
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_axes_and_depth_may_be_those_of_other_libraries(tmp_path, dtype, axes, suffix):
    array = FLOW.astype(dtype)
    array = np.moveaxis(array, -1, 0) if "2 h w" in axes else array
    array = array[None] if axes[0] == "1" else array
    found = adapting.read(saved(tmp_path / f"a{suffix}", array), SHAPE)
    assert found.flow.dtype == np.float32
    np.testing.assert_allclose(found.flow, FLOW, rtol=1e-3)
    assert [f"holds {list(array.shape)}; read as" in note for note in found.notes] == (
        [True] if axes.endswith("2 h w") else []
    )


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".png", ".flo", ".pfm"])
def test_unknown_pixels_near_known_ones_move_as_these(tmp_path, suffix):
    rows = np.ones(SHAPE, bool)
    rows[:2] = False
    scattered = np.random.default_rng(0).random(SHAPE) < 0.2  # as a laser's measurements lie
    for known, share in ((rows, "3%"), (scattered, "79%")):
        found = adapting.read(saved(tmp_path / f"a{suffix}", WHOLE, known), SHAPE)
        assert np.abs(found.flow - WHOLE).max() < 0.5
        (note,) = found.notes
        assert f"{share} of its pixels are unknown; they move as the nearest known ones" in note


@pytest.mark.parametrize("suffix", [".npy", ".png", ".flo", ".pfm"])
def test_a_flow_that_is_mostly_unknown_is_refused(tmp_path, suffix):
    block = np.zeros(SHAPE, bool)
    block[:20, :60] = True
    for known in (block, block & False):
        path = saved(tmp_path / f"a{suffix}", WHOLE, known)
        with pytest.raises(ValueError, match=r"a\.\w+: [^\n]* of its pixels are unknown[^\n]*exp"):
            adapting.read(path, SHAPE)


def test_what_is_unknown_outside_the_mask_does_not_matter(tmp_path):
    path = saved(tmp_path / "a.npy", FLOW, OBJECT)
    inner = ndimage.binary_erosion(OBJECT, iterations=2)
    found = adapting.read(path, SHAPE, inner)
    np.testing.assert_array_equal(found.flow, np.where(inner[..., None], FLOW, 0))


@pytest.mark.parametrize("size", [(32, 48), (128, 192), (8, 12), (33, 48), (32, 49)])
def test_another_size_of_the_same_proportions_is_resized_with_its_vectors(tmp_path, size):
    ratio = np.array([size[1] / W, size[0] / H], np.float32)
    small = fitting.fit(WHOLE, *size)
    found = adapting.read(saved(tmp_path / "a.npy", small), SHAPE)
    inner = (slice(8, -8), slice(8, -8))
    np.testing.assert_allclose(found.flow[inner], WHOLE[inner], atol=0.1)
    assert np.abs(small).max() < np.abs(WHOLE).max() * ratio.max() * 1.05
    (note,) = found.notes
    assert f"{size[1]}x{size[0]} pixels; resized to the photo's 96x64, its motions in pr" in note


@pytest.mark.parametrize("size", [(96, 64), (64, 64), (62, 96), (64, 104), (3, 5)])
def test_other_proportions_are_refused(tmp_path, size):
    path = saved(tmp_path / "a.npy", np.ones((*size, 2), np.float32))
    with pytest.raises(
        ValueError, match=f"{size[1]}x{size[0]} pixels; expected 96x64, the photo's"
    ):
        adapting.read(path, SHAPE)


def test_of_a_flow_of_the_whole_frame_only_the_mask_moves(tmp_path):
    path = saved(tmp_path / "a.flo", WHOLE)
    found = adapting.read(path, SHAPE, OBJECT)
    np.testing.assert_array_equal(found.flow, np.where(OBJECT[..., None], WHOLE, 0))
    assert found.notes == (f"{path}: 90% of what it moves lies outside the mask, and rests",)
    assert adapting.read(saved(path, FLOW), SHAPE, OBJECT).notes == ()


def test_a_backward_flow_is_turned_round(tmp_path):
    landed = masks.destination(FLOW)
    backward = np.where(landed[..., None], np.float32([-20, 6]), np.float32(0))
    path = saved(tmp_path / "a.npz", backward)
    found = adapting.read(path, SHAPE, backward=True)
    np.testing.assert_allclose(found.flow, FLOW, atol=1e-4)
    assert found.notes == (f"{path}: is a backward flow; turned into a forward one",)
    np.testing.assert_array_equal(adapting.read(path, SHAPE).flow, backward)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((3, H, W), np.float32), "shape [3, 64, 96]"),
        (np.zeros((2, 2, H, W), np.float32), "shape [2, 2, 64, 96]"),
        (np.zeros((H, W), np.float32), "shape [64, 96]"),
        (np.zeros((H, W, 2), np.int16), "int16"),
        (np.zeros((H, W, 2), np.complex64), "complex64"),
    ],
)
def test_what_is_no_flow_is_refused_in_one_line(tmp_path, array, said):
    path = saved(tmp_path / "a.npy", array)
    with pytest.raises(ValueError, match=r"a\.npy: holds [^\n]*expected [^\n]*$") as caught:
        adapting.read(path, SHAPE)
    assert said in str(caught.value)
