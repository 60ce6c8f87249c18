"""Flow files: what is written comes back; every bad file is named in one line."""

import io
import sys
import zipfile

import numpy as np
import pytest

from flows import files

SUFFIXES = [".npz", ".npy", ".flo", ".png"]


def flow(height=5, width=7):
    """In whole 64ths of a pixel, which every format holds."""
    draws = np.random.default_rng(0).normal(0, 9, (height, width, 2))
    return (np.round(64 * draws) / 64).astype(np.float32)


def refusal(path):
    """The one line that refuses the file, which it must name first."""
    with pytest.raises(ValueError, match="expected") as caught:
        files.read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".NPZ", ".Flo", ".PNG"])
def test_what_is_written_comes_back_bit_by_bit(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    files.write(path, flow())
    back = files.read(path)
    assert back.dtype == np.float32
    assert back.tobytes() == flow().tobytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_writing_twice_gives_the_same_bytes(tmp_path, suffix):
    first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    files.write(first, flow())
    files.write(second, files.read(first))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("dtype", ["float16", "float64", ">f4"])
def test_other_floating_point_arrays_are_read_as_float32(tmp_path, dtype):
    path = tmp_path / "a.npy"
    np.save(path, flow().astype(dtype))
    np.testing.assert_array_equal(files.read(path), flow().astype(dtype).astype(np.float32))


def test_a_transposed_array_in_memory_order_of_fortran_is_read(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.asfortranarray(flow()))
    np.testing.assert_array_equal(files.read(path), flow())


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("share", [0, 0.05, 0.5, 0.97])
def test_a_file_cut_short_is_refused(tmp_path, suffix, share):
    path = tmp_path / f"a{suffix}"
    files.write(path, flow(20, 20))
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refusal(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_other_content_under_a_flows_name_is_refused(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_text("once upon a time there was a text\n" * 20)
    refusal(path)


def test_a_missing_file_a_folder_and_an_unknown_suffix_are_refused(tmp_path):
    assert "no such file" in refusal(tmp_path / "a.npz")
    (tmp_path / "b.npy").mkdir()
    assert "folder" in refusal(tmp_path / "b.npy")
    assert "unknown suffix '.txt'" in refusal(tmp_path / "c.txt")
    assert ".npz, .npy, .flo, .png, .pth" in refusal(tmp_path / "d")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (np.zeros((4, 5, 2), np.int64), "int64"),
        (np.zeros((4, 5, 2), bool), "bool"),
        (np.zeros((4, 5, 2), np.complex64), "complex64"),
        (np.zeros((2, 4, 5), np.float32), "[2, 4, 5]"),
        (np.zeros((1, 4, 5, 2), np.float32), "[1, 4, 5, 2]"),
        (np.zeros((4, 0, 2), np.float32), "[4, 0, 2]"),
        (np.float32(3), "[]"),
        (np.full((4, 5, 2), np.nan, np.float32), "20 pixels are NaN"),
        (np.full((4, 5, 2), 1e300), "20 pixels are NaN or infinite"),
    ],
)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_an_array_that_is_no_flow_is_refused(tmp_path, suffix, content, complaint):
    path = tmp_path / f"a{suffix}"
    np.save(path, content) if suffix == ".npy" else np.savez(path, flow=content)
    assert complaint in refusal(path)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_pickled_objects_are_never_loaded(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    content = np.array([[[{}, 1]]], dtype=object)
    np.save(path, content) if suffix == ".npy" else np.savez(path, flow=content)
    refusal(path)


HEADERS = {
    "open": "{'descr': '<f4', 'fortran_order': False, 'shape': (5, 7, 2",
    "unhashable": "{['descr']: '<f4', 'fortran_order': False, 'shape': (5, 7, 2)}",
    "huge": f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({10**30}, 2)}}",
    "large": f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({10**13}, 2)}}",
}


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_a_damaged_header_is_refused(tmp_path, suffix, header):
    text = HEADERS[header].encode()
    content = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text
    path = tmp_path / f"a{suffix}"
    if suffix == ".npy":
        path.write_bytes(content)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("flow.npy", content)
    assert "broken or cut short" in refusal(path)


def test_an_encrypted_archive_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, flow=flow())
    content = bytearray(path.read_bytes())
    content[6] |= 1  # the first member's flags, here and in the directory
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    assert "encrypted" in refusal(path)


def test_an_archive_without_the_key_names_the_keys_it_has(tmp_path):
    np.savez(tmp_path / "a.npz", motion=flow())
    assert "'motion'" in refusal(tmp_path / "a.npz")


def test_an_array_under_an_archives_name_is_refused(tmp_path):
    stream = io.BytesIO()
    np.save(stream, flow())
    (tmp_path / "a.npz").write_bytes(stream.getvalue())
    assert "an .npz archive" in refusal(tmp_path / "a.npz")


def test_an_archive_with_a_damaged_member_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("flow.npy", b"\x93NUMPY and then nothing sensible")
    refusal(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_flow_without_unknown_pixels_is_known_everywhere(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    files.write(path, flow())
    found = files.read_sparse(path)
    np.testing.assert_array_equal(found.flow, flow())
    assert found.known.shape == (5, 7)
    assert found.known.all()


@pytest.mark.parametrize("suffix", [".flo", ".png"])
def test_unknown_pixels_come_back_as_unknown_and_at_rest(tmp_path, suffix):
    known = np.random.default_rng(1).random((5, 7)) < 0.5
    given = np.where(known[..., None], flow(), np.float32(np.nan))
    first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    files.write(first, given, known)
    found = files.read_sparse(first)
    np.testing.assert_array_equal(found.known, known)
    np.testing.assert_array_equal(found.flow, np.where(known[..., None], flow(), 0))
    files.write(second, *found)
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("suffix", [".flo", ".png"])
def test_who_needs_every_pixel_is_told_how_many_lack(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    known = np.ones((5, 7), bool)
    known[2, 3:5] = False
    files.write(path, flow(), known)
    assert "marks 2 pixels as unknown" in refusal(path)


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".pth"])
def test_formats_without_a_place_for_unknown_pixels_refuse_them(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    with pytest.raises(ValueError, match=r"expected the suffix \.flo or \.png"):
        files.write(path, flow(), np.zeros((5, 7), bool))
    assert not path.exists()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_could_not_be_read_back_is_not_written(tmp_path, suffix):
    broken = flow()
    broken[0, 0, 0] = np.inf
    path = tmp_path / f"a{suffix}"
    with pytest.raises(ValueError, match="1 pixels are NaN or infinite"):
        files.write(path, broken)
    assert not list(tmp_path.iterdir())


def test_a_flow_is_not_written_into_a_missing_folder(tmp_path):
    with pytest.raises(ValueError, match="existing, writable folder"):
        files.write(tmp_path / "no" / "a.npz", flow())


def test_without_pytorch_its_files_are_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    path = tmp_path / "a.pth"
    path.write_bytes(b"")
    assert "needs PyTorch" in refusal(path)
    with pytest.raises(ValueError, match="needs PyTorch"):
        files.write(path, flow())
    with pytest.raises(ValueError, match="needs PyTorch"):
        files.check_suffix(path)
