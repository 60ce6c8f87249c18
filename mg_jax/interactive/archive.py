"""A session as one file: a ZIP archive of document, photo and masks, checked when it is read."""

import io
import json
import zipfile
from typing import NamedTuple

from flows.files.broken import BROKEN
from mg_jax.interactive import uploads
from mg_jax.interactive.document import Document
from mg_jax.interactive.store import SESSION, Store

_MOST_FILES = 40
_MOST_BYTES = 80 << 20  # of all files, unpacked
_MOST_TEXT = 1 << 20  # of the document


class Session(NamedTuple):
    """What an archive holds."""

    document: Document
    files: dict[str, bytes]  # by name: exactly those that the document needs


def pack(document: Document, store: Store) -> bytes:
    """Write a document and its files to an archive."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(SESSION, json.dumps(document.to_json(), indent=1))
        for name in sorted(document.files()):
            archive.write(store.folder / name, name, zipfile.ZIP_STORED)
    return stream.getvalue()


def unpack(content: bytes, name: str) -> Session:
    """Read an archive by `pack`; nothing in it is trusted, and nothing written.

    Raises:
        ValueError: no such archive, files that a session does not have, too many or too large ones,
            or a file's content is not what its name says. The message begins with `name`.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _read(archive, name)
    except ValueError as error:
        if str(error).startswith(name):
            raise
        raise ValueError(f"{name}: {error}") from error
    except BROKEN as error:
        raise ValueError(f"{name}: no session archive; expected one by this studio") from error


def _read(archive: zipfile.ZipFile, name: str) -> Session:
    listed = archive.infolist()
    if len(listed) > _MOST_FILES or len({one.filename for one in listed}) < len(listed):
        raise ValueError(f"{name}: {len(listed)} files; expected at most {_MOST_FILES}, each once")
    if sum(one.file_size for one in listed) > _MOST_BYTES:
        raise ValueError(f"{name}: too large unpacked; expected at most {_MOST_BYTES} bytes")
    names = {one.filename: one for one in listed}
    if SESSION not in names:
        raise ValueError(f"{name}: has no {SESSION}; expected a session")
    document = Document.of_json(json.loads(_content(archive, names[SESSION], _MOST_TEXT)))
    needed = document.files()
    if names.keys() - {SESSION} != needed:
        other = min((names.keys() - {SESSION}) ^ needed)
        raise ValueError(f"{name}: {other!r} is missing or not a session's; expected its own files")
    files = {one: _content(archive, names[one], uploads.MOST_BYTES) for one in sorted(needed)}
    for one, found in files.items():
        suffix = uploads.checked(found, name)
        if one.split("-")[1] != f"{uploads.digest(found)}.{suffix}":
            raise ValueError(f"{name}: {one!r} holds something else; expected what its name says")
    return Session(document, files)


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int) -> bytes:
    """Unpack one file, but no more than `most` bytes, whatever the archive says of its size."""
    with archive.open(entry) as stream:
        found = stream.read(most + 1)
    if len(found) > most:
        raise ValueError(f"{entry.filename!r} is too large; expected at most {most} bytes")
    return found
