"""Session archives: what is packed comes back, and nothing else comes in."""

import io
import json
import zipfile

import numpy as np
import pytest

from mg_jax.interactive import archive, uploads
from mg_jax.interactive.document import Document, Part
from mg_jax.interactive.store import SESSION, Store

from .conftest import H, W, photo


@pytest.fixture
def session(tmp_path):
    """A store, and a document of it with a mask."""
    store = Store(tmp_path / "store")
    name = store.add_photo(uploads.png(photo()), "cup.png")
    mask = np.zeros((H, W), bool)
    mask[3:9, 4:30] = True
    part = Part(store.add_mask(mask), "rotate degrees=5")
    return store, Document(name, (part, Part("click 50,60")), seed=4)


def entries(content):
    """The files of an archive."""
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def packed(files):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in files.items():
            made.writestr(name, content)
    return stream.getvalue()


def test_what_is_packed_comes_back(session):
    store, document = session
    found = archive.unpack(archive.pack(document, store), "session.zip")
    assert found.document == document
    assert {name: (store.folder / name).read_bytes() for name in document.files()} == found.files


def hostile(files):
    """Archives that are no session, by what is wrong with them."""
    photo_name = next(name for name in files if name.startswith("photo-"))
    document = json.loads(files[SESSION])
    elsewhere = document | {"photo": "../../photo-0123456789abcdef.png"}
    yield "no document", {k: v for k, v in files.items() if k != SESSION}
    yield "a file missing", {k: v for k, v in files.items() if k != photo_name}
    yield "one more file", files | {"more.txt": b"x"}
    yield "a path upwards", files | {"../evil.png": files[photo_name]}
    yield "an absolute path", files | {"/tmp/evil.png": files[photo_name]}
    yield "a path in the document", files | {SESSION: json.dumps(elsewhere)}
    yield "another content", files | {photo_name: uploads.png(np.zeros((20, 20, 3), np.uint8))}
    yield "no picture", files | {photo_name: b"x" * 100}
    yield "no JSON", files | {SESSION: b"{"}
    yield "a list", files | {SESSION: b"[]"}
    yield "a pickle", files | {"state.pkl": b"\x80\x04N."}
    yield "many files", files | {f"{i}.png": b"" for i in range(60)}


def test_what_is_no_session_is_refused(session):
    store, document = session
    files = entries(archive.pack(document, store))
    for what, bad in hostile(files):
        with pytest.raises(ValueError, match=r"^session\.zip: ") as raised:
            archive.unpack(packed(bad), "session.zip")
        assert "\n" not in str(raised.value), what


def test_broken_and_swollen_archives_are_refused(session, monkeypatch):
    store, document = session
    whole = archive.pack(document, store)
    for bad in (b"", b"PK\x03\x04 nothing", whole[: len(whole) // 2], b"\x80\x04N."):
        with pytest.raises(ValueError, match=r"^session\.zip: "):
            archive.unpack(bad, "session.zip")
    bomb = packed(entries(whole) | {SESSION: b" " * (3 << 20)})
    assert len(bomb) < 200_000
    with pytest.raises(ValueError, match="too large"):
        archive.unpack(bomb, "session.zip")
    monkeypatch.setattr(archive, "_MOST_BYTES", 1000)
    with pytest.raises(ValueError, match="too large unpacked"):
        archive.unpack(whole, "session.zip")
