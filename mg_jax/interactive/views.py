"""What a page draws of the parts: where their meshes go, their handles, what to warn of."""

from typing import Any

import numpy as np
from jaxtyping import Float64

from flows import motions
from mg_jax.interactive import handles, hazards, pose, uploads
from mg_jax.interactive.document import Document, Part
from mg_jax.interactive.selecting import Selected, Selecting

View = dict[str, Any]


def of_document(selecting: Selecting, document: Document, mode: str) -> list[View]:
    """All parts, the lowest first, with the handles of a mode."""
    if not document.parts:
        return []
    found = [selecting.now(document.photo, part) for part in document.parts]
    placed = [
        (selected.mesh, _moved(selected, part))
        for selected, part in zip(found, document.parts, strict=True)
    ]
    hiding = hazards.hiding(placed, _shape(found[0]))
    views = [_view(*both, mode) for both in zip(found, document.parts, strict=True)]
    for view, line in zip(views, hiding, strict=True):
        view["warnings"] += [line] if line else []
    return views


def of_part(selecting: Selecting, photo: str, part: Part, mode: str) -> View:
    """One part, without what it does to others."""
    return _view(selecting.now(photo, part), part, mode)


def check(selecting: Selecting, document: Document) -> None:
    """Refuse words that do not suit the photo.

    Raises:
        ValueError: a selection or a motion is at fault; the message begins with its field.
    """
    for i, part in enumerate(document.parts):
        try:
            selected = selecting.now(document.photo, part)
        except ValueError as error:
            raise ValueError(f"parts[{i}].selection: {error}") from error
        try:
            _moved(selected, part)
            pose.placed(selected.mesh, pose.split(part.motion))
        except ValueError as error:
            raise ValueError(f"parts[{i}].motion: {error}") from error


def _view(selected: Selected, part: Part, mode: str) -> View:
    moved = _moved(selected, part)
    found = hazards.of_object(selected.mesh, moved, _shape(selected))
    return {
        "selection": part.selection,
        "motion": part.motion,
        "rough": selected.rough,
        "moved": uploads.numbers(moved.astype(np.float32)),
        "folded": np.flatnonzero(found.folded).tolist(),
        "leaving": found.leaving,
        "warnings": list(found.lines),
        "share": float(selected.mask.mean()),
        "handles": [one._asdict() for one in handles.handles(selected.mesh, part.motion, mode)],
    }


def _moved(selected: Selected, part: Part) -> Float64[np.ndarray, "n 2"]:
    if not part.motion.strip():
        return selected.mesh.points
    return selected.mesh.moved(motions.parse(part.motion).steps)


def _shape(selected: Selected) -> tuple[int, int]:
    height, width = selected.mask.shape
    return height, width
