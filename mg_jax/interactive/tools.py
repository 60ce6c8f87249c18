"""What a page's tools select, as words where words can say it, else as a mask that is kept."""

import io

import numpy as np
from jaxtyping import Bool
from PIL import Image

from flows import selections
from mg_jax import mask_files
from mg_jax.interactive import messages, selecting, uploads
from mg_jax.interactive.document import Part
from mg_jax.interactive.messages import Message
from mg_jax.interactive.selecting import Selecting
from mg_jax.interactive.store import Store
from mg_jax.photos import Photo


def selected(message: Message, store: Store, name: str) -> str:
    """The selection of a new part of a photo of the store.

    Raises:
        ValueError: the message's tool, points or mask are at fault.
    """
    photo, tool = store.photo(name), message.get("tool")
    if tool == "mask":
        return store.add_mask(_uploaded(message, photo))
    if tool == "brush":
        return store.add_mask(_stroked(message, np.zeros(photo.pixels.shape[:2], bool), "add"))
    return messages.selection_words(tool, message)


def changed(
    message: Message, store: Store, finder: Selecting, name: str, part: Part, how: str
) -> str:
    """The selection of a part with more ("add") or less ("remove"): clicks stay words.

    Raises:
        ValueError: as `selected`, or nothing would be left.
    """
    photo, tool = store.photo(name), message.get("tool")
    if tool == "click" and part.selection.split()[:1] == ["click"]:
        words = selections.parse(part.selection, (photo.pixels.shape[0], photo.pixels.shape[1]))
        here, away = (list(map(messages.point, of)) for of in (words.points, words.away))
        (here if how == "add" else away).extend(map(messages.point, messages.points(message)))
        return " ".join(["click", *here, *(["not", *away] if away else [])])
    mask = finder.exact(name, part).mask
    if tool == "brush":
        new = _stroked(message, mask, how)
    elif tool == "mask":
        new = selecting.combined(mask, _uploaded(message, photo), how)
    else:
        other = finder.exact(name, Part(messages.selection_words(tool, message)))
        new = selecting.combined(mask, other.mask, how)
    return store.add_mask(selections.something(new, "selection"))


def _uploaded(message: Message, photo: Photo) -> Bool[np.ndarray, "h w"]:
    content = uploads.decoded(message.get("data"), "mask")
    uploads.checked(content, "mask")
    shape = (photo.pixels.shape[0], photo.pixels.shape[1])
    with Image.open(io.BytesIO(content), formats=tuple(uploads.FORMATS)) as image:
        found = mask_files.of_pillow(image, "mask", shape, photo.orientation)
    return selections.something(found.mask, "mask")


def _stroked(message: Message, mask: Bool[np.ndarray, "h w"], how: str) -> Bool[np.ndarray, "h w"]:
    radius = messages.number(message, "radius")
    if not 0.5 <= radius <= max(mask.shape):
        raise ValueError("radius: expected half a pixel up to the picture's size")
    return selecting.stroke(mask, messages.points(message), radius, how)
