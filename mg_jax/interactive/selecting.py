"""The masks of selections: at once, roughly, and then exactly in the background."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64

from flows import clicks, selections
from mg_jax import mask_files
from mg_jax.interactive.document import Part
from mg_jax.interactive.mesh import Mesh, build
from mg_jax.interactive.store import Store

_REMEMBERED = 64  # selections


class Selected(NamedTuple):
    """A selection of the photo."""

    mask: Bool[np.ndarray, "h w"]
    mesh: Mesh
    rough: bool  # a first outline; the exact one is being computed


class Selecting:
    """Find the masks of parts; each is computed once."""

    def __init__(self, store: Store, refined: Callable[[], None] = lambda: None) -> None:
        """Tell by `refined`, from another thread, that a rough mask has become exact."""
        self._store, self._refined = store, refined
        self._found: dict[tuple[str, str], Selected] = {}
        self._pending: dict[tuple[str, str], threading.Event] = {}
        self._failed: dict[tuple[str, str], str] = {}
        self._pool = ThreadPoolExecutor(1)

    def now(self, photo: str, part: Part) -> Selected:
        """The mask of a part, roughly if it takes long.

        Raises:
            ValueError: as `flows.selections.select`, or the mask cannot be read.
        """
        key = (photo, part.selection)
        if key in self._failed:
            raise ValueError(self._failed[key])
        if key not in self._found:
            pixels = self._store.photo(photo).pixels
            if part.selection.split()[:1] == ["click"]:
                words = selections.parse(part.selection, (pixels.shape[0], pixels.shape[1]))
                if not len(words.points):
                    selections.select(part.selection, pixels)  # says what is wrong
                mask = clicks.first(pixels, words.points, words.away)
                for x, y in words.points.astype(int):  # so that there is something to show
                    mask[y, x] = True
                self._keep(key, Selected(mask, build(mask), True))
                self._pending[key] = threading.Event()
                self._pool.submit(self._refine, photo, part)
            else:
                mask = self._exact(photo, part)
                self._keep(key, Selected(mask, build(mask), False))
        return self._found[key]

    def exact(self, photo: str, part: Part) -> Selected:
        """The exact mask of a part; waits until it is there.

        Raises:
            ValueError: as `now`.
        """
        found = self.now(photo, part)
        if found.rough:
            if (pending := self._pending.get((photo, part.selection))) is not None:
                pending.wait()
            found = self.now(photo, part)
        return found

    def close(self) -> None:
        """Stop computing."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _exact(self, photo: str, part: Part) -> Bool[np.ndarray, "h w"]:
        found = self._store.photo(photo)
        shape = (found.pixels.shape[0], found.pixels.shape[1])
        if not part.is_mask:
            return selections.select(part.selection, found.pixels)
        path = self._store.folder / part.selection
        mask = mask_files.read(path, shape, found.orientation).mask
        return selections.something(mask, part.selection)

    def _refine(self, photo: str, part: Part) -> None:
        key = (photo, part.selection)
        try:
            mask = self._exact(photo, part)
            self._keep(key, Selected(mask, build(mask), False))
        except ValueError as error:
            self._failed[key] = str(error)
            self._found.pop(key, None)
        self._pending.pop(key).set()
        self._refined()

    def _keep(self, key: tuple[str, str], selected: Selected) -> None:
        if len(self._found) >= _REMEMBERED:
            oldest = next(iter(self._found))
            if oldest not in self._pending:
                del self._found[oldest]
        self._found[key] = selected


def stroke(
    mask: Bool[np.ndarray, "h w"],
    points: Float64[np.ndarray, "n 2"],
    radius: float,
    how: str,
) -> Bool[np.ndarray, "h w"]:
    """Paint a brush's path into a mask: `how` is "add" or "remove"."""
    import cv2

    painted = np.zeros(mask.shape, np.uint8)
    path = np.rint(points).astype(np.int32)
    cv2.polylines(painted, [path], False, 1, max(1, round(2 * radius)))
    for x, y in path.tolist():
        cv2.circle(painted, (x, y), max(0, round(radius)), 1, -1)
    return combined(mask, painted > 0, how)


def combined(
    mask: Bool[np.ndarray, "h w"], other: Bool[np.ndarray, "h w"], how: str
) -> Bool[np.ndarray, "h w"]:
    """Add another selection to a mask, or take it away: `how` is "add" or "remove"."""
    return np.asarray(mask | other if how == "add" else mask & ~other)
