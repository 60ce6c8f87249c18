"""The windows of window attention, shifted by half a window in every other layer."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int


@dataclass(frozen=True)
class Windows:
    """A map of height×width features, cut into windows of equal size.

    Shifted windows are cut from the map rolled by half a window. The last ones then hold features
    from opposite borders of the map, which must not attend to each other.
    """

    height: int
    width: int
    splits: tuple[int, int]  # windows down and across
    shifted: bool

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width of a window."""
        return self.height // self.splits[0], self.width // self.splits[1]

    @property
    def shift(self) -> tuple[int, int]:
        """Features by which the map is rolled, down and across: 0 along a side that is not cut."""
        down, across = (
            side // 2 if self.shifted and splits > 1 else 0
            for side, splits in zip(self.sides, self.splits, strict=True)
        )
        return down, across

    def cut(self, x: Float[Array, "b h w c"]) -> Float[Array, "b windows places c"]:
        """Return the features of each window."""
        down, across = self.shift
        return self._cut(jnp.roll(x, (-down, -across), (1, 2)))

    def joined(self, x: Float[Array, "b windows places c"]) -> Float[Array, "b h w c"]:
        """Undo `cut`."""
        rows, columns = self.sides
        b, _, _, c = x.shape
        blocks = x.reshape(b, *self.splits, rows, columns, c)
        whole = blocks.transpose(0, 1, 3, 2, 4, 5).reshape(b, self.height, self.width, c)
        return jnp.roll(whole, self.shift, (1, 2))

    def strangers(self) -> Bool[Array, "windows places places"]:
        """Mask of the pairs in a window that attention leaves out: from opposite borders."""
        down, across = (
            _pieces(size, side, shift)
            for size, side, shift in zip(
                (self.height, self.width), self.sides, self.shift, strict=True
            )
        )
        piece = jnp.asarray(3 * down[:, None] + across[None])[None, ..., None]
        names = self._cut(piece)[0, ..., 0]
        return names[:, :, None] != names[:, None, :]

    def _cut(self, x: Array) -> Array:
        rows, columns = self.sides
        b, _, _, c = x.shape
        blocks = x.reshape(b, self.splits[0], rows, self.splits[1], columns, c)
        return blocks.transpose(0, 1, 3, 2, 4, 5).reshape(b, -1, rows * columns, c)


def _pieces(size: int, side: int, shift: int) -> Int[np.ndarray, "{size}"]:
    """Label the places along a side of a rolled map by where they come from.

    0 before the last window; in it 1, and 2 for those rolled in from the other border.
    """
    place = np.arange(size)
    return (place >= size - side).astype(np.int32) + (place >= size - shift)
