"""Notes on what may not be meant."""

import numpy as np
from PIL import Image

from flows import motions
from mg_jax import api, notes

H, W = 128, 160
PHOTO = np.random.default_rng(0).integers(0, 256, (H, W, 3), dtype=np.uint8)


def noted(dx, keep=None):
    mask = np.zeros((H, W), bool)
    mask[40:60, 100:120] = True
    flow = motions.field(motions.parse(f"translate dx={dx} dy=0"), mask)
    return notes.for_request(api.request(PHOTO, flow, keep_mask=keep))


def test_nothing_is_said_of_a_motion_inside_the_picture():
    assert noted(-30) == []


def test_what_leaves_the_picture_is_told():
    assert noted(50) == ["50% of the moved pixels leave the picture"]


def test_a_large_photo_is_told_to_take_time():
    large, flow = np.zeros((1250, 2000, 3), np.uint8), np.zeros((1250, 2000, 2), np.float32)
    flow[400:600, 400:600] = (90, 0)
    (note,) = notes.for_request(api.request(large, flow))
    assert note.startswith("2 megapixels: worked on at a smaller size")
    assert " s more than for one megapixel" in note


def test_what_was_decided_in_reading_is_told(tmp_path):
    clear = np.dstack([PHOTO, np.full((H, W), 128, np.uint8)])
    Image.fromarray(clear).save(tmp_path / "a.png")
    mask = np.zeros((H, W), np.uint8)
    mask[40:60, 40:60] = 1
    Image.fromarray(mask).save(tmp_path / "mask.png")
    asked = api.request(
        tmp_path / "a.png", "translate dx=9", mask=tmp_path / "mask.png", keep_mask=mask == 0
    )
    first, second, *_ = notes.for_request(asked)
    assert first == f"{tmp_path / 'a.png'}: is transparent; edited over white, its opacity kept"
    assert second.startswith(f"{tmp_path / 'mask.png'}: its value 1 is taken for white; selects 2%")


def test_surprises_are_told():
    def told(words, *boxes):
        masks = np.zeros((len(boxes), H, W), bool)
        for mask, (top, left, height, width) in zip(masks, boxes, strict=True):
            mask[top : top + height, left : left + width] = True
        objects = [(motions.parse(one), mask) for one, mask in zip(words, masks, strict=True)]
        field, order = motions.together(objects), motions.order(objects)
        return " ".join(notes.for_request(api.request(PHOTO, field, order=order)))

    assert "cut off by the left edge" in told(["translate dx=30"], (40, 0, 30, 30))
    crossing = told(["translate dx=40", "translate dx=-40"], (40, 20, 20, 20), (40, 100, 20, 20))
    assert "100% of one object is hidden by others" in crossing
    assert "less than a half stays" in told(["translate dx=36"], (40, 115, 20, 30))


def test_a_motion_that_cannot_be_judged_is_told():
    assert notes.for_metrics({"flow_l1_px": 1.0, "judged_moved": 0.9}) == []
    (note,) = notes.for_metrics({"flow_l1_px": None, "judged_moved": 0.25})
    assert "sees 25% of this motion" in note


def test_a_mask_over_the_motion_is_told_and_one_beside_it_is_not():
    keep = np.zeros((H, W), bool)
    keep[:20] = True
    assert noted(-30, keep) == []
    keep[:50] = True
    assert noted(-30, keep) == ["50% of where the motion is stays, by the mask"]
