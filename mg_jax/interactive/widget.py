"""The studio as a widget: import this module only when one is needed, as anywidget is optional."""

import shutil
import tempfile
import threading
import weakref
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import traitlets
from anywidget import AnyWidget
from jaxtyping import Bool, Float32

from mg_jax import api
from mg_jax.interactive import uploads
from mg_jax.interactive.desk import Desk, Reply
from mg_jax.interactive.worker import Edit
from mg_jax.result import Result

_SLOW = ("ground", "preview")  # messages that are answered beside the kernel's other work
_PAGE = resources.files("mg_jax.interactive") / "page"


def _text(*names: str) -> str:
    """Files of the page, one after the other."""
    return "\n".join((_PAGE / name).read_text(encoding="utf-8") for name in names)


class Studio(AnyWidget):
    """A studio in a notebook; see `mg_jax.studio`.

    `observe` hears of new values of `motion` and `result`, of the latter in another thread.
    """

    _esm = _text("studio.js", "widget.js")
    _style = traitlets.Unicode(_text("studio.css", "widget.css")).tag(sync=True)

    motion = traitlets.Unicode(read_only=True)
    """The motions in words, one line for each object that moves; empty if none does."""

    result = traitlets.Instance(Result, allow_none=True, read_only=True)
    """The result of the newest edit that is done; None if there is none."""

    def __init__(
        self,
        photo: bytes,
        name: str,
        models: Sequence[str],
        folder: Path | None,
        edit: Edit = api.edit,
    ) -> None:
        """Open a photo, or go on with it where the folder holds a session of it.

        Args:
            photo: a PNG, JPEG or WebP file.
            name: how errors call it.
            models: the names to choose from.
            folder: where everything is kept; an earlier widget that keeps its things there is
                closed. None: one that goes when the widget is closed or the kernel ends.
            edit: makes an edit, as for `Desk`.
        """
        temporary = folder is None
        kept = Path(tempfile.mkdtemp(prefix="mg_jax-")) if folder is None else folder.resolve()
        if (earlier := _open.get(kept)) is not None:
            earlier.close()
        self._desk = Desk(kept, self._tell, models, edit)
        self._end = weakref.finalize(self, _end, self._desk, kept, temporary)
        if uploads.digest(photo) not in self._desk.document.photo:  # else its session goes on
            self._desk.open(photo, name)
        super().__init__()
        self.on_msg(self._receive)
        self._follow()
        self.set_trait("result", self._desk.result())
        _open[kept] = self

    @property
    def flow(self) -> Float32[np.ndarray, "h w 2"]:
        """Where each pixel goes, (dx, dy) in pixels; zero where nothing moves.

        Raises:
            ValueError: a motion does not suit its object.
        """
        if not self._desk.document.moving:
            return np.zeros((*self.mask.shape, 2), np.float32)
        return self._desk.flow()[0]

    @property
    def mask(self) -> Bool[np.ndarray, "h w"]:
        """What is selected, all objects together."""
        return self._desk.mask()

    def close(self) -> None:
        """Remove the widget from the notebook, and end its processes; `result` stays."""
        super().close()
        self._end()

    def _receive(self, _: AnyWidget, content: dict[str, Any], __: list[bytes]) -> None:
        """Answer a message of the page."""
        if content["message"]["type"] in _SLOW:
            threading.Thread(target=self._answer, args=[content], daemon=True).start()
        else:
            self._answer(content)
            self._follow()

    def _answer(self, content: dict[str, Any]) -> None:
        reply: Reply = {"error": "studio: failed; the notebook's log says why"}
        try:
            reply = self._desk.answer(content["message"])
        finally:  # the page waits
            self.send({"to": content["to"], "reply": reply})

    def _follow(self) -> None:
        moving = self._desk.document.moving
        self.set_trait("motion", "\n".join(part.motion for part in moving))

    def _tell(self, event: Reply) -> None:
        """Tell the page of an event; comes from the desk's threads."""
        self.send({"event": event})
        if event["event"] == "job" and event["job"]["status"] == "done":
            self.set_trait("result", self._desk.result())


_open: "weakref.WeakValueDictionary[Path, Studio]" = weakref.WeakValueDictionary()


def _end(desk: Desk, folder: Path, temporary: bool) -> None:
    try:
        desk.close()
    finally:
        if temporary:
            shutil.rmtree(folder, ignore_errors=True)
