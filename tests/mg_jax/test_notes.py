"""Notes on what may not be meant."""

import numpy as np

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


def test_a_mask_over_the_motion_is_told_and_one_beside_it_is_not():
    keep = np.zeros((H, W), bool)
    keep[:20] = True
    assert noted(-30, keep) == []
    keep[:50] = True
    assert noted(-30, keep) == ["50% of where the motion is stays, by the mask"]
