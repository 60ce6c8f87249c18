"""Large photos: the edit is that of the small one, with the large one's own pixels."""

import numpy as np
import pytest
from scipy import ndimage

from flows import masks, motions
from flows.motion import Motion
from mg_jax import images
from mg_jax.models.patch import enlarging, preview
from mg_jax.models.patch.motion import layered

H, W, TIMES = 64, 96, 4
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def bounded(monkeypatch):
    """Edit all photos of more pixels at 96 x 64."""
    monkeypatch.setattr(enlarging, "LARGEST", H * W)


def photo(times=TIMES):
    """A blurred noise with fine grain, which only the large photo has."""
    smooth = ndimage.gaussian_filter(RNG.normal(size=(H, W, 3)), (5, 5, 0))
    large = images.resize(
        images.to_uint8(np.clip(8 * smooth, -1, 1).astype(np.float32)), H * times, W * times
    )
    grain = RNG.integers(-20, 21, large.shape)
    return np.clip(large.astype(int) + grain, 0, 255).astype(np.uint8)


def box(times=TIMES):
    mask = np.zeros((H * times, W * times), bool)
    mask[20 * times : 44 * times, 20 * times : 48 * times] = True
    return mask


def carried_out(picture, flow, keep=None):
    motion = enlarging.work_motion(picture, Motion(flow), None)
    region = enlarging.region_of(picture, motion, keep)
    return preview.preview(picture, motion, region), region


def test_a_photo_of_the_largest_size_or_less_is_edited_as_it_is():
    assert enlarging.work_shape(H, W) == (H, W)
    small, flow = photo(1), motions.field(motions.parse("translate dx=20"), box(1))
    motion = enlarging.work_motion(small, Motion(flow), None)
    np.testing.assert_array_equal(motion.flow, layered(small, Motion(flow)).flow)
    assert enlarging.work_photo(small, (H, W)) is small
    np.testing.assert_array_equal(enlarging.region_of(small, motion), motion.region)


@pytest.mark.parametrize("shape", [(640, 960), (1280, 960), (4800, 900), (3000, 4000)])
def test_the_working_size_is_bounded_and_keeps_the_proportions(shape):
    height, width = enlarging.work_shape(*shape)
    assert abs(height * width / (H * W) - 1) < 0.03
    assert abs(width / height / (shape[1] / shape[0]) - 1) < 0.03


@pytest.mark.parametrize(("dx", "dy"), [(112, 0), (97, -35), (-60, 43)])
def test_what_moves_arrives_pixel_by_pixel_with_all_its_detail(dx, dy):
    picture, mask = photo(), box()
    flow = motions.field(motions.parse(f"translate dx={dx} dy={dy}"), mask)
    shown, region = carried_out(picture, flow)
    inner = ndimage.binary_erosion(mask, iterations=2 * TIMES)
    landed = np.roll(inner, (dy, dx), (0, 1))
    off = np.abs(shown[landed].astype(int) - picture[inner])
    assert off.mean() < 1
    np.testing.assert_array_equal(shown[~region], picture[~region])
    moved = masks.moving(flow) | masks.destination(flow)
    assert region[moved].all()


@pytest.mark.parametrize("words", ["rotate degrees=40", "scale factor=1.4", "scale factor=0.6"])
def test_it_looks_as_the_edit_at_the_working_size(words):
    picture = photo()
    shown, _ = carried_out(picture, motions.field(motions.parse(words), box()))
    small = images.resize(picture, H, W)
    expected, _ = carried_out(small, motions.field(motions.parse(words), box(1)))
    off = np.abs(images.resize(shown, H, W).astype(int) - expected)
    assert off.mean() < 4
    assert np.quantile(off, 0.99) < 40


def test_a_keep_mask_counts_at_full_size():
    picture = photo()
    keep = np.zeros(picture.shape[:2], bool)
    keep[:, 203:] = True
    flow = motions.field(motions.parse("translate dx=80"), box())
    shown, region = carried_out(picture, flow, keep)
    np.testing.assert_array_equal(region, ~keep)
    np.testing.assert_array_equal(shown[keep], picture[keep])


def test_the_order_of_layers_counts():
    left, right = np.zeros((2, H * TIMES, W * TIMES), bool)
    left[80:160, 40:120], right[80:160, 240:320] = True, True
    picture = np.full((*left.shape, 3), 128, np.uint8)
    picture[left], picture[right] = (255, 0, 0), (0, 0, 255)
    crossing = motions.field(motions.parse("translate dx=100"), left)
    crossing += motions.field(motions.parse("translate dx=-100"), right)
    for order, colour in ((left + 2 * right, [0, 0, 255]), (2 * left + right, [255, 0, 0])):
        motion = enlarging.work_motion(picture, Motion(crossing), order)
        shown = preview.preview(picture, motion, enlarging.region_of(picture, motion))
        assert shown[120, 180].tolist() == colour


def test_a_picture_that_moves_whole_does_so_at_full_size():
    picture = photo()
    flow = np.zeros((*picture.shape[:2], 2), np.float32)
    flow[:] = (40, -24)
    shown, _ = carried_out(picture, flow)
    off = np.abs(shown[:-24, 40:].astype(int) - picture[24:, :-40])
    assert off[16:-16, 16:-16].mean() < 1
