"""The studio in a notebook: checks what is given, then imports what few need."""

import contextlib
import os
import tempfile
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mg_jax import arguments, images
from mg_jax.arguments import Anything
from mg_jax.interactive import uploads
from mg_jax.models import registry
from mg_jax.notes import EditWarning

if TYPE_CHECKING:
    from mg_jax.interactive.widget import Studio


def studio(
    image: Anything,
    models: Sequence[str] = registry.WEIGHTLESS,
    *,
    folder: str | Path | None = None,
) -> "Studio":
    """Show a photo in a notebook, to select objects and move them by hand.

    The last line of a cell shows the widget. While one works in it, its attributes follow:
    `motion`, the words of all that moves; `flow`, float32 [h, w, 2], and `mask`, bool [h, w], for
    `mg_jax.edit`; and `result`, the `Result` of the newest edit that was run there. Edits run in a
    process of their own. Needs the extra `studio`: pip install 'mg_jax[studio]'.

    Args:
        image: the photo, as for `mg_jax.edit`, of at most 50 million pixels.
        models: the names or paths to choose from, as for `mg_jax.edit`; the first is chosen.
        folder: where photo, masks, session and results are kept, and from which a later call goes
            on. By default they go with the kernel.

    Raises:
        ValueError: one line that names the argument or file, what is wrong, what is expected.
    """
    if find_spec("anywidget") is None:
        raise ValueError(
            "anywidget: not installed; expected it, as by pip install 'mg_jax[studio]'"
        )
    if isinstance(models, str) or not models:
        raise ValueError(f"models: {models!r}; expected a list of names")
    content, name = _content(image)
    where = None if folder is None else Path(folder)
    if where is not None:
        try:
            where.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(f"folder: {where} ({error.strerror}); expected a folder") from error
    from mg_jax.interactive import widget  # needs anywidget, which is optional and slow to import

    return widget.Studio(content, name, models, where)


def _content(image: Any) -> tuple[bytes, str]:
    """A photo as a file, as it is if the studio takes it, else as PNG; and its name in errors."""
    photo = arguments.photo(image)
    for note in photo.notes:
        warnings.warn(note, EditWarning, stacklevel=3)
    name = "image"
    if isinstance(image, str | os.PathLike):
        name = os.fspath(image)
        content = Path(image).read_bytes()
        with contextlib.suppress(ValueError):
            uploads.checked(content, name)
            return content, name
    own = photo.pixels if photo.original.pixels is None else photo.original.pixels
    with tempfile.TemporaryDirectory() as made:
        path = Path(made) / "photo.png"
        images.write(path, own, photo.original.profile, photo.original.exif)
        content = path.read_bytes()
    uploads.checked(content, name)
    return content, name
