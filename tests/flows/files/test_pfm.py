""".pfm: Scene Flow's layout, and what is broken."""

import numpy as np
import pytest

from flows import files

FLOW = np.random.default_rng(0).normal(size=(5, 7, 2)).astype(np.float32)


def test_rows_are_stored_from_below_and_the_third_channel_is_not_motion(tmp_path):
    third = np.full((5, 7, 1), 9, np.float32)
    for scale, kind in (("-1.0", "<f4"), ("1", ">f4")):
        content = np.concatenate([FLOW, third], axis=-1)[::-1].astype(kind).tobytes()
        (tmp_path / "a.pfm").write_bytes(f"PF\n7 5\n{scale}\n".encode() + content)
        np.testing.assert_array_equal(files.read(tmp_path / "a.pfm"), FLOW)


def test_what_is_written_comes_back_with_its_unknown_pixels(tmp_path):
    files.write(tmp_path / "a.pfm", FLOW)
    np.testing.assert_array_equal(files.read(tmp_path / "a.pfm"), FLOW)
    known = FLOW[..., 0] > 0
    files.write(tmp_path / "a.pfm", FLOW, known)
    back = files.read_sparse(tmp_path / "a.pfm")
    np.testing.assert_array_equal(back.known, known)
    np.testing.assert_array_equal(back.flow, np.where(known[..., None], FLOW, 0))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"Pf\n7 5\n-1\n" + bytes(140), "does not begin with b'PF'"),
        (b"PF\n7 five\n-1\n", "broken header"),
        (b"PF\n7 5\n-1\n" + bytes(419), "has 429 bytes; expected 430"),
        (b"PF\n0 5\n-1\n", "has 10 bytes"),
    ],
)
def test_a_broken_file_is_refused_in_one_line(tmp_path, content, said):
    (tmp_path / "a.pfm").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.pfm: [^\n]*; expected [^\n]*$") as caught:
        files.read(tmp_path / "a.pfm")
    assert said in str(caught.value)
