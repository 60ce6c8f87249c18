"""The sheet of all pictures."""

import numpy as np
import pytest

from experiments import contact_sheet

RED, BLUE = (np.full((64, 48, 3), color, np.uint8) for color in ((200, 0, 0), (0, 0, 200)))


def count(sheet, picture):
    return (sheet == picture[0, 0]).all(axis=-1).sum()


def test_every_picture_is_there_once():
    sheet = contact_sheet.sheet(["one", "two"], [("a", [RED, None]), ("b", [RED, BLUE])])
    assert count(sheet, RED) == 2 * RED[..., 0].size
    assert count(sheet, BLUE) == BLUE[..., 0].size


def test_rows_lie_under_each_other_and_columns_side_by_side():
    def middle(sheet, picture):
        return np.argwhere((sheet == picture[0, 0]).all(axis=-1)).mean(axis=0)

    beside = contact_sheet.sheet(["one", "two"], [("a", [RED, BLUE])])
    below = contact_sheet.sheet(["one"], [("a", [RED]), ("b", [BLUE])])
    np.testing.assert_allclose(middle(beside, BLUE) - middle(beside, RED), [0, 232])
    down, right = middle(below, BLUE) - middle(below, RED)
    assert down > len(RED)
    assert right == 0


def test_a_column_without_pictures_is_left_out():
    with_gap = contact_sheet.sheet(["one", "none", "two"], [("a", [RED, None, BLUE])])
    np.testing.assert_array_equal(
        with_gap, contact_sheet.sheet(["one", "two"], [("a", [RED, BLUE])])
    )


def test_large_pictures_are_brought_to_the_cells_size_in_their_proportions():
    small = contact_sheet.small(np.zeros((600, 300, 3), np.uint8))
    assert small.shape == (contact_sheet.CELL, contact_sheet.CELL // 2, 3)
    np.testing.assert_array_equal(contact_sheet.small(RED), RED)


@pytest.mark.parametrize(
    ("columns", "rows"), [(["one"], []), ([], [("a", [])]), (["one"], [("a", [RED, BLUE])])]
)
def test_what_is_no_sheet_is_refused(columns, rows):
    with pytest.raises(ValueError, match="sheet: expected rows"):
        contact_sheet.sheet(columns, rows)
