"""Answers the messages of a page: JSON in, JSON out; how they travel is not known here.

A message is an object with `type`, one of `Desk.TYPES`, and `mode`, which handles are shown. Most
are answered with the whole state. What happens meanwhile (levels of an edit, a selection that has
become exact) is told as events. Pictures and numbers are base64.
"""

import dataclasses
import io
import threading
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int32, UInt8

from flows import draw, files, motions
from mg_jax import api, checking, images, metrics
from mg_jax.interactive import (
    archive,
    composing,
    handles,
    messages,
    reproduction,
    tools,
    uploads,
    views,
)
from mg_jax.interactive.document import Document, Part
from mg_jax.interactive.edits import Edits
from mg_jax.interactive.history import History
from mg_jax.interactive.jobs import PATIENCE
from mg_jax.interactive.messages import Message
from mg_jax.interactive.selecting import Selecting
from mg_jax.interactive.store import Store
from mg_jax.interactive.worker import FILM, Edit
from mg_jax.models import registry
from mg_jax.result import PICTURE, Result

Reply = dict[str, Any]

_SHOWN = 1536 * 1024  # pixels of the photo as it is shown, at most
_FRAMES = 24  # of a film
_NOT_SELECTED = -1


class Desk:
    """A studio without its window."""

    def __init__(
        self,
        folder: Path,
        tell: Callable[[Reply], None],
        models: Sequence[str] = registry.WEIGHTLESS,
        edit: Edit = api.edit,
        patience: float = PATIENCE,
    ) -> None:
        """Open the session of a folder, or begin one there.

        Args:
            folder: where everything is kept.
            tell: hears of events, from other threads.
            models: the names to choose from.
            edit: makes an edit; a function of a module, called as `mg_jax.edit` in another process.
            patience: seconds from a cancel until that process is ended.
        """
        self.folder, self._models, self._tell = folder, tuple(models), tell
        self._store = Store(folder)
        self._selecting = Selecting(self._store, lambda: self._tell({"event": "refined"}))
        self._composing = composing.Composing()
        self._lock = threading.RLock()
        self._history, edits = self._restored()
        self._edits = Edits(folder / "results", edits, edit, self._heard, patience)

    @property
    def document(self) -> Document:
        """The document as it is now."""
        return self._history.now

    def answer(self, message: Any) -> Reply:
        """Answer a message; of one that is at fault, `error` says in one line why."""
        kind = message.get("type") if isinstance(message, Mapping) else None
        answer = self.TYPES.get(kind) if isinstance(kind, str) else None
        if answer is None:
            return {"error": "message: unknown type"}
        try:
            return answer(self, message)
        except ValueError as error:
            return {"error": self._plain(str(error))}

    def open(self, content: bytes, name: str) -> None:
        """Begin a document with a photo.

        Raises:
            ValueError: it is none that is taken; the message begins with `name`.
        """
        kept = self._store.add_photo(content, name)
        with self._lock:
            now = self.document
            self._commit(dataclasses.replace(now, photo=kept, parts=()))

    def flow(self) -> tuple[Float32[np.ndarray, "h w 2"], Int32[np.ndarray, "h w"]]:
        """The flow of the document, exactly, and the order of its objects.

        Raises:
            ValueError: nothing moves, or a motion does not suit its object.
        """
        return self._drawn(self.document)

    def mask(self) -> Bool[np.ndarray, "h w"]:
        """What is selected, exactly, of all parts together.

        Raises:
            ValueError: no photo is open.
        """
        document = self.document
        chosen = np.zeros(self._pixels().shape[:2], bool)
        for part in document.parts:
            chosen |= self._selecting.exact(document.photo, part).mask
        return chosen

    def result(self) -> Result | None:
        """The result of the newest edit that is done; None if there is none."""
        return self._edits.newest()

    def close(self) -> None:
        """Save everything and end all processes."""
        with self._lock:
            self._save()
        self._edits.close()
        self._composing.close()
        self._selecting.close()

    # What is answered to each type of message.

    def _state(self, message: Message, part: int | None = None) -> Reply:
        with self._lock:
            document = self.document
            reply: Reply = {
                "document": document.to_json(),
                "undo": self._history.can_undo,
                "redo": self._history.can_redo,
                "models": [self._described(model) for model in self._models],
                "jobs": self._edits.shown(),
                "photo": None,
                "parts": [],
            }
            if part is not None:
                reply["part"] = part
            if document.photo:
                height, width, _ = self._store.photo(document.photo).pixels.shape
                reply["photo"] = {"name": document.photo, "width": width, "height": height}
                mode = messages.mode(message)
                reply["parts"] = views.of_document(self._selecting, document, mode)
            return reply

    def _open(self, message: Message) -> Reply:
        name, content = message.get("name"), uploads.decoded(message.get("data"), "photo")
        self.open(content, name[:200] if isinstance(name, str) else "photo")
        return self._state(message)

    def _photo(self, _: Message) -> Reply:
        return {"data": _shown(self._pixels())}

    def _geometry(self, message: Message) -> Reply:
        """The mesh and the mask of a part."""
        index, part = self._part(message)
        selected = self._selecting.now(self.document.photo, part)
        mask = (255 * selected.mask.astype(np.uint8))[..., None]
        shape = _shown_shape(selected.mask.shape)
        small = mask if shape == selected.mask.shape else images.resize(mask, *shape)
        return {
            "index": index,
            "points": uploads.numbers(selected.mesh.points.astype(np.float32)),
            "triangles": uploads.numbers(selected.mesh.triangles),
            "outlines": list(selected.mesh.outlines),
            "mask": uploads.encoded(uploads.png(small[..., 0])),
        }

    def _edit(self, message: Message) -> Reply:
        """Take a whole document, as words and settings are typed."""
        document = Document.of_json(message.get("document"))
        with self._lock:
            if document.photo != self.document.photo:
                raise ValueError("photo: another one; expected the one that is open")
            if document.model not in self._models:
                raise ValueError(f"model: {document.model!r}; expected one of the list")
            self._check_settings(document)
            views.check(self._selecting, document)
            self._commit(document)
            return self._state(message)

    def _select(self, message: Message) -> Reply:
        """Select by a tool: a new part, or more or less of one."""
        self._pixels()  # without a photo nothing is selected
        index, how = messages.whole(message, "part", _NOT_SELECTED), message.get("how")
        if how not in ("new", "add", "remove"):
            raise ValueError("how: expected new, add or remove")
        with self._lock:
            document = self.document
            old = document.parts[index] if 0 <= index < len(document.parts) else None
            if old is None and how == "remove":
                raise ValueError("part: none is chosen; expected one to take away from")
            if old is None or how == "new":
                selection = tools.selected(message, self._store, document.photo)
                parts = (*document.parts, Part(selection))
                index = len(document.parts)
            else:
                selection = tools.changed(
                    message, self._store, self._selecting, document.photo, old, str(how)
                )
                changed = dataclasses.replace(old, selection=selection)
                parts = (*document.parts[:index], changed, *document.parts[index + 1 :])
            new = dataclasses.replace(document, parts=parts)
            views.check(self._selecting, new)
            self._commit(new)
            return self._state(message, index)

    def _drag(self, message: Message) -> Reply:
        """Drag a handle: the words then, and all that is drawn of the part.

        `words` are those with which the drag began; by default the current ones.
        """
        index, part = self._part(message)
        words, name = message.get("words", part.motion), message.get("handle")
        if not isinstance(words, str) or not isinstance(name, str):
            raise ValueError("drag: expected words and a handle")
        to = np.array([messages.number(message, "x"), messages.number(message, "y")])
        mode = messages.mode(message)
        mesh = self._selecting.now(self.document.photo, part).mesh
        moved = handles.dragged(mesh, words, mode, name, to, snap=message.get("snap") is True)
        with self._lock:
            document = self.document
            part = dataclasses.replace(part, motion=moved)
            parts = (*document.parts[:index], part, *document.parts[index + 1 :])
            new = dataclasses.replace(document, parts=parts)
            view = views.of_part(self._selecting, new.photo, part, mode)
            if message.get("done") is True:
                self._commit(new)
                return self._state(message)
            return {"index": index, "view": view}

    def _undo(self, message: Message) -> Reply:
        return self._turned(message, -1)

    def _redo(self, message: Message) -> Reply:
        return self._turned(message, 1)

    def _turned(self, message: Message, by: int) -> Reply:
        with self._lock:
            self._history.move(by)
            self._save()
            return self._state(message)

    def _ground(self, message: Message) -> Reply:
        """The photo without what moves and a part that may soon, roughly filled in."""
        pixels, document = self._pixels(), self.document
        gone = np.zeros(pixels.shape[:2], bool)
        chosen = messages.whole(message, "part", _NOT_SELECTED)
        for i, part in enumerate(document.parts):
            if part.motion.strip() or i == chosen:
                gone |= self._selecting.now(document.photo, part).mask
        return {"data": _shown(composing.ground(pixels, gone))}

    def _preview(self, _: Message) -> Reply:
        """The composed picture, as `mg_jax.preview`; `data` is empty if a newer one was asked."""
        document = self.document
        if not document.moving:
            return {"data": ""}
        flow, order = self._drawn(document)
        if not flow.any():
            return {"data": ""}
        made = self._composing.preview(self._store.folder / document.photo, flow, order)
        return {"data": "" if made is None else _shown(made)}

    def _run(self, message: Message) -> Reply:
        """Put the document's edit in the queue."""
        return self._submitted(message, 0)

    def _film(self, message: Message) -> Reply:
        """Put the edit and a film of its motion, by the same model, in the queue."""
        return self._submitted(message, _FRAMES)

    def _submitted(self, message: Message, frames: int) -> Reply:
        with self._lock:
            document = self.document
        if document.model not in self._models:
            raise ValueError(f"model: {document.model!r}; expected one of the list")
        flow, order = self._drawn(document)
        checking.flow(flow, flow.shape[:2])
        with self._lock:
            photo = self._store.folder / document.photo
            self._edits.ask(document, photo, flow, order, frames)
            self._save()
            return self._state(message)

    def _cancel(self, message: Message) -> Reply:
        self._edits.cancel(messages.whole(message, "job"))
        return self._state(message)

    def _result(self, message: Message) -> Reply:
        """The pictures and metrics of an edit that is done."""
        result = self._edits.result(messages.whole(message, "job"))
        largest = float(np.linalg.norm(result.flow, axis=-1).max())
        return {
            "source": _shown(result.source),
            "images": [_shown(image) for image in result.images],
            "asked": _shown(draw.colors(result.flow, largest)),
            "found": _shown(draw.colors(result.estimate, largest)),
            "largest": largest,
            "verdict": metrics.verdict(result.metrics),
            "metrics": {
                name: value
                for name, value in result.metrics.items()
                if value is None or isinstance(value, int | float | str)
            },
        }

    def _take(self, message: Message) -> Reply:
        """Something to keep: `data` and the `name` of a file, or `text`."""
        what = message.get("what")
        document = self.document
        if what == "picture":
            content = self._edits.file(messages.whole(message, "job"), PICTURE).read_bytes()
            return _file("edited.png", content)
        if what == "film":
            path = self._edits.file(messages.whole(message, "job"), FILM)
            if not path.is_file():
                raise ValueError("film: this edit has none; expected one that was filmed")
            return _file(FILM, path.read_bytes())
        if what == "flow":
            stream = io.BytesIO()
            np.savez_compressed(stream, flow=self._drawn(document)[0])
            return _file("flow.npz", stream.getvalue())
        if what == "masks":
            return _file("masks.zip", self._masks(document))
        if what == "session":
            return _file("session.zip", archive.pack(document, self._store))
        if what in ("command", "cell"):
            asked = self._edits.document(messages.whole(message, "job", 0)) or document
            return {"text": getattr(reproduction, what)(asked, self.folder.resolve())}
        raise ValueError("what: expected picture, film, flow, masks, session, command or cell")

    def _session(self, message: Message) -> Reply:
        """Go on with a session from a file."""
        found = archive.unpack(uploads.decoded(message.get("data"), "session"), "session")
        for name, content in found.files.items():
            if name == found.document.photo:
                self._store.add_photo(content, name)
            else:
                with files.atomic(self._store.folder / name) as stream:
                    stream.write(content)
        document = found.document
        if document.model not in self._models:
            document = dataclasses.replace(document, model=self._models[0])
        with self._lock:
            views.check(self._selecting, document)
            self._commit(document)
            return self._state(message)

    TYPES: Mapping[str, Callable[["Desk", Message], Reply]] = {
        "state": _state,
        "open": _open,
        "photo": _photo,
        "geometry": _geometry,
        "edit": _edit,
        "select": _select,
        "drag": _drag,
        "undo": _undo,
        "redo": _redo,
        "ground": _ground,
        "preview": _preview,
        "run": _run,
        "film": _film,
        "cancel": _cancel,
        "result": _result,
        "take": _take,
        "session": _session,
    }

    def _check_settings(self, document: Document) -> None:
        model = registry.find(document.model)
        if document.size is not None and "settings" in model.accepts:
            dataclasses.replace(model.settings, size=document.size)

    def _pixels(self) -> UInt8[np.ndarray, "h w 3"]:
        if not self.document.photo:
            raise ValueError("photo: none yet; expected one")
        return self._store.photo(self.document.photo).pixels

    def _part(self, message: Message) -> tuple[int, Part]:
        index, parts = messages.whole(message, "part", 0), self.document.parts
        if not 0 <= index < len(parts):
            raise ValueError(f"part: {index}; expected one of {len(parts)}")
        return index, parts[index]

    def _drawn(
        self, document: Document
    ) -> tuple[Float32[np.ndarray, "h w 2"], Int32[np.ndarray, "h w"]]:
        """As the flags of a program draw the same words."""
        if not document.moving:
            raise ValueError("motion: nothing moves yet; expected a part with a motion")
        objects = [
            (motions.parse(part.motion), self._selecting.exact(document.photo, part).mask)
            for part in document.moving
        ]
        return motions.together(objects), motions.order(objects)

    def _described(self, model: str) -> Reply:
        found = registry.find(model)
        accepts = found.accepts
        return {
            "name": model,
            "prompt": "prompt" in accepts,
            "sizes": list(found.settings.SIZES) if "settings" in accepts else [],
            "size": found.settings.size,
        }

    def _commit(self, document: Document) -> None:
        self._history.add(document)
        self._save()

    def _save(self) -> None:
        self._store.save(
            {
                "documents": [one.to_json() for one in self._history.documents],
                "at": self._history.at,
                "jobs": self._edits.records(),
            }
        )

    def _restored(self) -> tuple[History, list[Reply]]:
        """The session as it was saved, and its edits; a new one where there is none."""
        new = History([Document(model=self._models[0])], 0)
        try:
            saved = self._store.load() or {}
            edits = list(saved["jobs"])
            for one in edits:
                Document.of_json(one["document"])
                if not {"number", "status"} <= one.keys():
                    return new, []
            documents = [Document.of_json(one) for one in saved["documents"]]
            at = min(max(int(saved["at"]), 0), len(documents) - 1)
            files = documents[at].files() if documents else ()
            missing = [name for name in files if not (self._store.folder / name).is_file()]
        except (KeyError, TypeError, ValueError):
            return new, []
        return (History(documents, at) if documents and not missing else new), edits

    def _heard(self, edit: Reply) -> None:
        """Hear of an edit, and tell the page."""
        if edit["status"] != "running":
            with self._lock:
                self._save()
        self._tell({"event": "job", "job": edit})

    def _masks(self, document: Document) -> bytes:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as packed:
            for i, part in enumerate(document.parts, 1):
                mask = self._selecting.exact(document.photo, part).mask
                packed.writestr(f"mask_{i}.png", uploads.png(255 * mask.astype(np.uint8)))
        return stream.getvalue()

    def _plain(self, text: str) -> str:
        """An error without this machine's folders."""
        for folder in (self.folder.resolve(), self.folder):
            text = text.replace(f"{folder}/", "")
        return " ".join(text.split())


def _shown_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    shrink = min(1.0, (_SHOWN / (shape[0] * shape[1])) ** 0.5)
    return max(1, round(shape[0] * shrink)), max(1, round(shape[1] * shrink))


def _shown(pixels: UInt8[np.ndarray, "h w 3"]) -> str:
    """A picture for the page: PNG, base64, not larger than the page shows."""
    shape = _shown_shape(pixels.shape)
    small = pixels if shape == pixels.shape[:2] else images.resize(pixels, *shape)
    return uploads.encoded(uploads.png(small))


def _file(name: str, content: bytes) -> Reply:
    return {"name": name, "data": uploads.encoded(content)}
