"""Files and folders appear whole or not at all."""

import platform

import pytest

from flows import files


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def fail():
        with files.atomic(path) as stream:
            stream.write(b"half of the n")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_finished_write_replaces_the_old_file(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with files.atomic(path) as stream:
        stream.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_names_for_the_time_being_are_of_the_host_and_drawn(tmp_path):
    seen = set()
    for _ in range(2):
        with files.atomic(tmp_path / "a.bin"), files.atomic_folder(tmp_path / "b"):
            names = {path.name for path in tmp_path.iterdir()} - {"a.bin"}
            assert all(platform.node() in name for name in names)
            assert not names & seen
            seen |= names
        (tmp_path / "b").rmdir()
    assert len(seen) == 4


def fill(path, *, fails=False, **options):
    with files.atomic_folder(path, **options) as whole:
        (whole / "deep").mkdir()
        (whole / "deep" / "new").write_text("new")
        if fails:
            raise RuntimeError


def test_a_folder_appears_with_those_above_it(tmp_path):
    path = tmp_path / "above" / "a"
    with files.atomic_folder(path) as whole:
        (whole / "new").write_text("new")
        assert not path.exists()
    assert (path / "new").read_text() == "new"
    assert list(path.parent.iterdir()) == [path]
    assert path.stat().st_mode == path.parent.stat().st_mode  # open to whom others are


@pytest.mark.parametrize("replaces", [False, True])
def test_a_folder_that_fails_leaves_what_was_there(tmp_path, replaces):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "old").write_text("old")
    with pytest.raises(RuntimeError):
        fill(tmp_path / "a", fails=True, replaces=replaces)
    assert [file.name for file in (tmp_path / "a").iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]


def test_a_folder_replaces_another_only_where_it_is_meant_to(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "old").write_text("old")
    with pytest.raises(OSError, match="not empty"):
        fill(tmp_path / "a")
    assert [file.name for file in (tmp_path / "a").iterdir()] == ["old"]
    fill(tmp_path / "a", replaces=True)
    assert [file.name for file in (tmp_path / "a").iterdir()] == ["deep"]
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]


def test_a_folder_that_cannot_take_its_name_leaves_the_old_one(tmp_path, monkeypatch):
    fill(tmp_path / "a")
    rename = files.replacing.Path.rename

    def full(path, target):
        if path.name == "whole":
            raise OSError(28, "No space left on device")
        return rename(path, target)

    monkeypatch.setattr(files.replacing.Path, "rename", full)
    with pytest.raises(OSError, match="No space"):
        fill(tmp_path / "a", replaces=True)
    assert (tmp_path / "a" / "deep" / "new").read_text() == "new"
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]
