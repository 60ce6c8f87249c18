"""Where programs write: never over what they read; and how shares are written."""

import os

import pytest

from experiments import writing


def check(written, *read):
    writing.check_apart([written], map(str, read), "--out=name")


def test_what_is_read_is_refused_by_the_flag_and_by_name(tmp_path):
    photo = tmp_path / "photo.png"
    photo.touch()
    with pytest.raises(ValueError, match="expected another name") as caught:
        check(photo, tmp_path / "mask.png", photo)
    assert str(caught.value) == (
        f"--out=name: would overwrite {photo}, which is read; expected another name"
    )


def test_one_file_has_many_names(tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    photo = tmp_path / "folder" / "photo.png"
    photo.touch()
    (tmp_path / "link.png").symlink_to(photo)
    (tmp_path / "other").symlink_to(photo.parent)
    monkeypatch.chdir(tmp_path / "folder")
    names = [
        photo,
        tmp_path / "link.png",
        tmp_path / "other" / "photo.png",
        tmp_path / "other" / ".." / "folder" / "photo.png",
        os.path.relpath(photo),
    ]
    for written in names:
        for read in names:
            with pytest.raises(ValueError, match="would overwrite"):
                check(written, read)


def test_other_files_may_be_written_whether_they_are_there_or_not(tmp_path):
    read = tmp_path / "photo.png", tmp_path / "missing.png"
    for name in ("old.png", "photo.png"):
        (tmp_path / name).touch()
    for name in ("old.png", "new.png"):
        check(tmp_path / name, *read)
    for path in read:
        with pytest.raises(ValueError, match="would overwrite"):
            check(path, *read)


def test_a_link_to_itself_is_one_line_or_nothing(tmp_path):
    loop = tmp_path / "loop.png"
    loop.symlink_to(loop)
    check(tmp_path / "new.png", loop)
    with pytest.raises(ValueError, match="would overwrite"):
        check(loop, loop)
