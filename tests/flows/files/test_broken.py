"""What errors say."""

import pytest

from flows.files.broken import said


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("short"), "short"),
        (ValueError("\n  first\nsecond"), "first"),
        (KeyError(), "KeyError"),
        (RuntimeError(" \n"), "RuntimeError"),
    ],
)
def test_an_error_is_its_first_line_or_its_kind(error, line):
    assert said(error) == line
