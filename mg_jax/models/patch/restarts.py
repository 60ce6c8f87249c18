"""Sample once more what guidance has not brought to its place (restart sampling, Xu et al. 2023).

The first levels decide which patches lie where. A part that they have left out is seldom found by
later ones, as what lies there instead has become the likeliest. So it is noised again, to the first
level that the flow network guides, and sampled beside what has arrived, which is kept. Where most
is missing there is nothing to complete: guidance has brought no object.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float, Int, Key

from mg_jax import devices, noise
from mg_jax.models.patch.denoiser import PatchParams
from mg_jax.models.patch.stage import Prepared
from mg_jax.noise import Draw
from mg_jax.types import Image, Latent

# Radius round a cell that is astray within which all is sampled again, as a share of the picture's
# size: what lies there instead reaches over the rim.
_ROUND = 1 / 32
_THIN = 0.1  # least share of a cell that a thin part covers


class Restart(NamedTuple):
    """Where a run begins once more."""

    z: Latent  # the picture, noised to the first level that is run again
    keep: Bool[Array, "b h w 1"]  # what stays as it is


def begin(
    ready: Prepared,
    keys: Key[Array, " b"],
    steps: Int[Array, ""],
    image: Image,
    matches: Int[Array, "b h w 3"],
    level: int,
    mesh: Mesh | None,
) -> Restart:
    """Noise a finished picture again, to a level, and find what of it is astray.

    `steps` are the evaluations until now, by which the noise is another one each time; `image` and
    `matches` as `coarse_to_fine.snapped` returns them.
    """
    return _begin(mesh)(keys, steps, ready, image, matches, ready.schedule.alpha[level])


def astray(
    params: PatchParams,
    places: Int[Array, "k 3"],
    moved: Int[Array, "h w"],
    matches: Int[Array, "h w 3"],
) -> Bool[Array, "h w"]:
    """Where moving content should lie but something else does, and a little round that.

    Nowhere if most of it is missing. `moved` is the moved picture's patch at each place.
    """
    row, column = params.pixels[..., 0], params.pixels[..., 1]
    wanted, cover = places[moved[row, column]], params.lands / jnp.max(params.lands)
    height, width = moved.shape

    def grid(cells: Bool[Array, "tiles q"]) -> Bool[Array, "h w"]:
        return jnp.zeros((height, width), bool).at[row, column].set(cells, mode="drop")

    offered = (wanted[..., 1:] == params.pixels).all(axis=-1)
    arrived = (matches[row, column] == wanted).all(axis=-1) & offered
    beside = _wide(grid(arrived), 1)[row, column]
    # What covers a part of a cell is a rim if it lies beside what has arrived, else a thin part.
    off = offered & ~arrived & ((cover > 0.5) | ((cover > _THIN) & ~beside))
    whole = offered & (cover > 0.5)
    most = 2 * (whole & arrived).sum() >= whole.sum()
    return _wide(grid(off & most), round(_ROUND * (height * width) ** 0.5))


def _wide(mask: Bool[Array, "h w"], radius: int) -> Bool[Array, "h w"]:
    """Dilate a mask by a square."""
    sides, ones = (2 * radius + 1,) * 2, (1, 1)
    wide: Bool[Array, "h w"] = jax.lax.reduce_window(
        mask, False, jax.lax.bitwise_or, sides, ones, "SAME"
    )
    return wide


def missing(ready: Prepared, matches: Int[Array, "b h w 3"], mesh: Mesh | None) -> Int[Array, " b"]:
    """How many cells of each sample are to be sampled again."""
    return _missing(mesh)(ready, matches)


# Cached, since JAX compiles anew for every new function object.


@functools.cache
def _missing(mesh: Mesh | None) -> Callable[..., Int[Array, " b"]]:
    arguments = (devices.NOWHERE, devices.FIRST)
    return jax.jit(devices.spread(_counted, mesh, arguments, devices.FIRST))


@functools.cache
def _begin(mesh: Mesh | None) -> Callable[..., Restart]:
    nowhere, first = devices.NOWHERE, devices.FIRST
    arguments = (first, nowhere, nowhere, first, first, nowhere)
    return jax.jit(devices.spread(_begun, mesh, arguments, Restart(first, first)))


def _begun(
    keys: Key[Array, " b"],
    steps: Int[Array, ""],
    ready: Prepared,
    image: Image,
    matches: Int[Array, "b h w 3"],
    alpha: Float[Array, ""],
) -> Restart:
    keep = ~_off(ready, matches)
    fresh = noise.gaussian(keys, steps, Draw.DDIM, image.shape)  # which nothing else has drawn
    z = jnp.sqrt(alpha) * image + jnp.sqrt(1 - alpha) * fresh
    return Restart(z, keep)


def _counted(ready: Prepared, matches: Int[Array, "b h w 3"]) -> Int[Array, " b"]:
    return _off(ready, matches).sum(axis=(1, 2, 3))


def _off(ready: Prepared, matches: Int[Array, "b h w 3"]) -> Bool[Array, "b h w 1"]:
    """What is astray of the region."""
    off = jax.vmap(astray, (None, None, None, 0))(
        ready.problem.params.denoiser, ready.places, ready.home[-1], matches
    )
    return off[..., None] & ~ready.problem.edit.keep
