"""Middlebury's .flo, byte by byte."""

import struct

import numpy as np
import pytest

from flows import files


def content(*values):
    """A file of one row."""
    return b"PIEH" + struct.pack(f"<ii{len(values)}f", len(values) // 2, 1, *values)


def test_width_comes_first_and_dx_before_dy(tmp_path):
    path = tmp_path / "a.flo"
    files.write(path, np.arange(12, dtype=np.float32).reshape(2, 3, 2))
    assert struct.unpack("<fii12f", path.read_bytes()) == (202021.25, 3, 2, *range(12))


def test_a_file_with_unknown_pixels_read_and_written_is_the_same_file(tmp_path):
    first, second = tmp_path / "a.flo", tmp_path / "b.flo"
    first.write_bytes(content(1.25, -3, 1666666752, 1666666752, 1e-3, 7e4))
    files.write(second, *files.read_sparse(first))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("mark", [1.1e9, -1e10, np.inf, np.nan])
def test_a_pixel_with_one_value_beyond_any_picture_is_unknown(tmp_path, mark):
    path = tmp_path / "a.flo"
    path.write_bytes(content(2, 3, mark, 0, 0, mark))
    found = files.read_sparse(path)
    assert found.known.tolist() == [[True, False, False]]
    assert found.flow.tolist() == [[[2, 3], [0, 0], [0, 0]]]


def test_a_motion_that_would_read_as_unknown_is_not_written(tmp_path):
    path = tmp_path / "a.flo"
    with pytest.raises(ValueError, match="takes for unknown"):
        files.write(path, np.full((2, 3, 2), 2e9, np.float32))
    assert not list(tmp_path.iterdir())


def test_a_header_without_a_size_is_refused(tmp_path):
    path = tmp_path / "a.flo"
    path.write_bytes(b"PIEH" + struct.pack("<ii", -3, 5))
    with pytest.raises(ValueError, match="-3x5"):
        files.read(path)
