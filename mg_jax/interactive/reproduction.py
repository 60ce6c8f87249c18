"""What makes the same edit without the studio: the command of a shell, the cell of a notebook."""

import shlex
from pathlib import Path

from mg_jax.interactive.document import Document, Part
from mg_jax.models import registry

_OUT = "out/studio_edit"


def flags(document: Document, folder: Path, out: Path | str = _OUT) -> list[str]:
    """The flags of `experiments.edit` that make the document's edit.

    Args:
        document: has a photo and at least one part that moves.
        folder: where its photo and masks lie.
        out: where the command is to write.

    Raises:
        ValueError: nothing moves, or there is no photo.
    """
    _check(document)
    given = [f"--image={folder / document.photo}"]
    for part in document.moving:
        given += [f"--object_mask={_selection(part, folder)}", f"--motion={part.motion}"]
    for name, value in options(document).items():
        given.append(f"--{name}={value}")
    return [*given, f"--out={out}"]


def command(document: Document, folder: Path) -> str:
    """One line for a shell; raises ValueError as `flags`."""
    return shlex.join(["python", "-m", "experiments.edit", *flags(document, folder)])


def cell(document: Document, folder: Path) -> str:
    """Lines for a notebook; raises ValueError as `flags`."""
    _check(document)
    given = options(document)
    settings = given.pop("size", None)
    arguments = [f"{name}={value!r}" for name, value in given.items()]
    if "order" in registry.find(document.model).accepts:
        arguments.insert(0, "order=motions.order(objects)")
    lines = ["import mg_jax", "from flows import motions", "from mg_jax import arguments, photos"]
    if settings is not None:
        lines = ["import dataclasses", "", *lines, "from mg_jax.models import registry"]
    lines += ["", f"photo = photos.read({str(folder / document.photo)!r})", "parts = ["]
    lines += [f"    ({_selection(part, folder)!r}, {part.motion!r})," for part in document.moving]
    lines += [
        "]",
        "objects = [",
        '    (motions.parse(words), arguments.selection("mask", what, photo).mask)',
        "    for what, words in parts",
        "]",
    ]
    if settings is not None:
        of = f"registry.find({document.model!r}).settings"
        lines.append(f"settings = dataclasses.replace({of}, size={settings})")
        arguments.append("settings=settings")
    asked = ", ".join(["photo", "motions.together(objects)", *arguments])
    return "\n".join([*lines, f"result = mg_jax.edit({asked})", "result", ""])


def options(document: Document) -> dict[str, str | int]:
    """What of the settings is not by default, and read by the model: the same names everywhere."""
    default, accepts = Document(), registry.find(document.model).accepts
    read = {
        "model": True,
        "prompt": "prompt" in accepts,
        "seed": True,
        "size": "settings" in accepts,
        "samples": True,
    }
    values = {name: getattr(document, name) for name, is_read in read.items() if is_read}
    return {name: value for name, value in values.items() if value != getattr(default, name)}


def _selection(part: Part, folder: Path) -> str:
    return str(folder / part.selection) if part.is_mask else part.selection


def _check(document: Document) -> None:
    if not document.photo:
        raise ValueError("photo: none yet; expected one")
    if not document.moving:
        raise ValueError("motion: nothing moves yet; expected a part with a motion")
