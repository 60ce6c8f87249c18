"""The folder of a studio: its photos and masks by their content, and the document as autosaved."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from flows import files
from mg_jax import photos
from mg_jax.interactive import uploads
from mg_jax.photos import Photo

SESSION = "session.json"


class Store:
    """Files of a session, named by their content, so that undone steps find theirs again."""

    def __init__(self, folder: Path) -> None:
        """Make the folder if it is missing."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._photos: dict[str, Photo] = {}

    def add_photo(self, content: bytes, name: str) -> str:
        """Keep a photo; return its name here.

        Raises:
            ValueError: it is none that is taken, or cannot be edited; the message begins with
                `name`.
        """
        kept = f"photo-{uploads.digest(content)}.{uploads.checked(content, name)}"
        path = self.folder / kept
        if not path.exists():
            self._write(path, content)
            try:
                self.photo(kept)
            except ValueError as error:
                path.unlink()
                raise ValueError(str(error).replace(str(path), name)) from error
        return kept

    def add_mask(self, mask: Bool[np.ndarray, "h w"]) -> str:
        """Keep a mask, white where it selects; return its name here."""
        content = uploads.png(255 * mask.astype(np.uint8))
        name = f"mask-{uploads.digest(content)}.png"
        if not (self.folder / name).exists():
            self._write(self.folder / name, content)
        return name

    def photo(self, name: str) -> Photo:
        """A photo of the session; the last one that was asked for is remembered.

        Raises:
            ValueError: it cannot be read.
        """
        if name not in self._photos:
            found = photos.read(self.folder / name)
            self._photos = {name: found}
        return self._photos[name]

    def save(self, content: dict[str, Any]) -> None:
        """Write the session, whole or not at all."""
        self._write(self.folder / SESSION, (json.dumps(content, indent=1) + "\n").encode())

    def load(self) -> dict[str, Any] | None:
        """The session as it was saved; None if there is none that can be read."""
        try:
            found = json.loads((self.folder / SESSION).read_text())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def _write(self, path: Path, content: bytes) -> None:
        with files.atomic(path) as stream:
            stream.write(content)
