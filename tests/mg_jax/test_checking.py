"""What may be given to an edit: the nearest good and bad values on either side of each bound."""

import numpy as np
import pytest

from mg_jax import checking

H, W = 20, 30


def flow(y, x, dx, dy):
    """One pixel moves."""
    out = np.zeros((H, W, 2), np.float32)
    out[y, x] = dx, dy
    return out


def half():
    return np.arange(H * W).reshape(H, W) % 2 == 0


def layers(number):
    """One pixel is of another layer."""
    out = np.zeros((H, W), type(number))
    out[3, 4] = number
    return out


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (checking.image, [np.zeros((16, 99, 3), np.uint8)], [np.zeros((15, 99, 3), np.uint8)]),
        (checking.flow, [flow(3, 4, -4, 0), (H, W)], [flow(3, 4, -5, 0), (H, W)]),
        (checking.flow, [flow(3, 4, 0, H - 4), (H, W)], [flow(3, 4, 0, H - 3), (H, W)]),
        (checking.flow, [flow(3, 4, 0.002, 0), (H, W)], [flow(3, 4, 0.0005, 0), (H, W)]),
        (checking.keep_mask, [half(), (H, W)], [half() | True, (H, W)]),
        (checking.keep_mask, [half(), (H, W)], [half(), (W, H)]),
        (checking.order, [layers(0), (H, W)], [layers(-1), (H, W)]),
        (checking.order, [layers(5), (H, W)], [layers(5), (W, H)]),
        (checking.order, [layers(1), (H, W)], [layers(1.0), (H, W)]),
        (checking.ramp, [np.array([0.0, 2.0]), 2], [np.array([0.0, -2.0]), 2]),
        (checking.ramp, [np.array([0.0, 2.0]), 2], [np.array([0.0, 2.0]), 3]),
    ],
)
def test_the_good_passes_and_the_bad_is_one_line_after_the_arguments_name(check, good, bad):
    check(*good)
    with pytest.raises(ValueError, match=rf"^{check.__name__}: .*; expected .*$"):
        check(*bad)


def test_a_pixel_that_goes_far_is_refused_whatever_the_others_do():
    far = flow(3, 4, 2, 0)
    far[5, 5] = 2e6, 0
    with pytest.raises(ValueError, match=r"^flow: goes 2e\+06 pixels far"):
        checking.flow(far, (H, W))
