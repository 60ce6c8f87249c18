"""The photo to try things on: what it is, at any size."""

import numpy as np
import pytest

from experiments import motion_flags
from mg_jax import images, samples


def test_it_is_the_photo_that_the_programs_edit_by_default():
    photo, mask = samples.coffee()
    np.testing.assert_array_equal(photo, images.read(motion_flags.IMAGE))
    np.testing.assert_array_equal(mask, images.read_mask(motion_flags.MASK))


@pytest.mark.parametrize(("width", "height"), [(24, 16), (256, 171), (1200, 800)])
def test_other_widths_keep_proportions_and_selection(width, height):
    photo, mask = samples.coffee(width)
    assert (photo.dtype, photo.shape) == (np.uint8, (height, width, 3))
    assert (mask.dtype, mask.shape) == (np.bool_, (height, width))
    original, whole = samples.coffee()
    assert photo.mean() == pytest.approx(original.mean(), abs=1)
    assert mask.mean() == pytest.approx(whole.mean(), abs=0.02)


def test_a_photo_that_no_edit_takes_is_refused():
    with pytest.raises(ValueError, match="width: 23; expected at least 24"):
        samples.coffee(23)
