"""Numbers in words."""

import pytest

from flows import parsing


@pytest.mark.parametrize(
    ("share", "digits", "text"),
    [
        (0.0, 0, "0%"),
        (1e-6, 0, "less than 1%"),
        (0.0099, 0, "less than 1%"),
        (0.01, 0, "1%"),
        (1.0, 0, "100%"),
        (0.0, 1, "0.0%"),
        (0.0009, 1, "less than 0.1%"),
        (0.001, 1, "0.1%"),
        (0.1234, 1, "12.3%"),
    ],
)
def test_a_share_is_zero_only_where_there_is_nothing(share, digits, text):
    assert parsing.percent(share, digits) == text
