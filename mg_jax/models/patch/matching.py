"""Snapping an estimate to real patches: the last step of the patch denoiser's trajectory.

As noise vanishes the posterior mean becomes the nearest patch. Letting every pixel of that patch
vote, not its centre alone, and repeating, is expectation maximisation of patch coherence
(Wexler, Shechtman & Irani 2007); it removes what the mean of many patches has smoothed.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from mg_jax.models.patch.denoiser import PatchParams, logits, nearest
from mg_jax.types import Schedule

# Patches compete as if the estimate carried this little noise (ᾱ): near ties go to the one whose
# home is near.
_ALPHA = 0.9
_SLACK = 2  # cells: a match so near home is at home
# So much likelier must another patch be than the one at home: they differ by a fifth a value.
_LIKELIER = 28.0
_ROUND = 1 / 16  # of the picture's size: so far round a cell is looked how many have arrived
_MOST = 0.5  # of what lands there: if more has arrived, the cell goes where it belongs


def match(
    params: PatchParams,
    places: Int[Array, "k 3"],
    home: Int[Array, "v h w"],
    image: Float[Array, "h w 3"],
    radius: Int[Array, ""],
) -> Int[Array, "h w 3"]:
    """Picture, row and column of the likeliest patch for each pixel; outside the region itself.

    `places` says that of each key, `home` which key lies at a place; `radius` is the position in
    the schedule of the radius to use. A patch at home is taken if it is nearly as likely, or if
    the likeliest lies within two cells of it: that is where the motion wants it, as well as the
    sampler could tell. So is one of what moves if most of that has arrived round it.
    """
    height, width, _ = image.shape
    level = Schedule(radius, *(jnp.float32(value) for value in (0.0, _ALPHA, 1.0, 0.0)))
    z = image[None] * jnp.sqrt(level.alpha)
    best, most = (found[0] for found in nearest(params, z, level))
    row, column = params.pixels[..., 0], params.pixels[..., 1]
    at_home = home[:, row, column]
    likely = jnp.stack([logits(params, z, level, keys)[0] for keys in at_home])
    near = jnp.abs(places[best][..., 1:] - params.pixels).max(axis=-1) <= _SLACK
    there = jnp.insert(params.pixels, 0, places[best][..., 0], axis=-1)
    same = (places[at_home] == there[None]).all(axis=-1)
    likely = jnp.where(near[None] & same, jnp.maximum(likely, most[None]), likely)
    # The first of the best, as in `nearest`.
    first = jnp.argmax(likely, axis=0)
    own = jnp.take_along_axis(at_home, first[None], axis=0)[0]
    best = jnp.where(likely.max(axis=0) > most - _LIKELIER, own, best)
    best = _coherent(params, places, at_home[-1], best, (height, width))
    rows, columns = _indices(height, width)
    itself = jnp.stack([jnp.zeros_like(rows), rows, columns], axis=-1)
    return itself.at[row, column].set(places[best], mode="drop")


def _coherent(
    params: PatchParams,
    places: Int[Array, "k 3"],
    moved: Int[Array, "tiles q"],
    best: Int[Array, "tiles q"],
    shape: tuple[int, int],
) -> Int[Array, "tiles q"]:
    """The matches, but for cells astray among such as have arrived; `moved` is what belongs there.

    What has arrived nowhere near, because guidance did not bring it, stays as it was sampled.
    """
    row, column = params.pixels[..., 0], params.pixels[..., 1]
    lands = params.lands > 0.5 * jnp.max(params.lands)
    lands &= (places[moved][..., 1:] == params.pixels).all(axis=-1)
    counted = jnp.stack([lands & (best == moved), lands], axis=-1).astype(jnp.float32)
    grid = jnp.zeros((*shape, 2)).at[row, column].set(counted, mode="drop")
    side = 2 * round(_ROUND * (shape[0] * shape[1]) ** 0.5) + 1
    sums = jax.lax.reduce_window(grid, 0.0, jax.lax.add, (side, side, 1), (1, 1, 1), "SAME")
    arrived, there = jnp.moveaxis(sums.at[row, column].get(mode="clip"), -1, 0)
    return jnp.where(lands & (arrived > _MOST * there), moved, best)


def vote(
    pictures: Float[Array, "v h w 3"],
    matches: Int[Array, "h w 3"],
    region: Bool[Array, "h w"],
    reach: int,
) -> Float[Array, "h w 3"]:
    """Mean of what the matches of the region's pixels at most `reach` away would copy here.

    Beyond the picture, matches go on with the offset that they have at its edge. NaN where the
    region is farther.
    """
    _, height, width, _ = pictures.shape
    rows, columns = _indices(height, width)
    offsets = matches - jnp.stack([jnp.zeros_like(rows), rows, columns], axis=-1)
    voters = jnp.concatenate([offsets, region[..., None].astype(jnp.int32)], axis=-1)
    padded = jnp.pad(voters, ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    side = 2 * reach + 1

    def add(
        sums: tuple[Float[Array, "h w 3"], Float[Array, "h w 1"]], shift: Int[Array, ""]
    ) -> tuple[tuple[Array, Array], None]:
        near = jax.lax.dynamic_slice(padded, (shift // side, shift % side, 0), (height, width, 4))
        row = jnp.clip(rows + near[..., 1], 0, height - 1)
        column = jnp.clip(columns + near[..., 2], 0, width - 1)
        voice = near[..., 3:].astype(jnp.float32)
        total, count = sums
        return (total + voice * pictures[near[..., 0], row, column], count + voice), None

    start = (jnp.zeros(pictures.shape[1:]), jnp.zeros((height, width, 1)))
    (total, count), _ = jax.lax.scan(add, start, jnp.arange(side * side, dtype=jnp.int32))
    return total / count


def snap(
    params: PatchParams,
    pictures: Float[Array, "v h w 3"],
    places: Int[Array, "k 3"],
    home: Int[Array, "v h w"],
    image: Float[Array, "h w 3"],
    radius: Int[Array, ""],
    *,
    iterations: int,
    reach: int,
) -> tuple[Float[Array, "h w 3"], Int[Array, "h w 3"]]:
    """`image` with its region made of coherent patches, and the matches that made it."""
    region = jnp.zeros(image.shape[:2], bool)
    region = region.at[params.pixels[..., 0], params.pixels[..., 1]].set(True, mode="drop")

    def once(carry: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], None]:
        matches = match(params, places, home, carry[0], radius)
        voted = vote(pictures, matches, region, reach)
        return (jnp.where(region[..., None], voted, params.source), matches), None

    start = (image, jnp.zeros((*image.shape[:2], 3), jnp.int32))
    return jax.lax.scan(once, start, length=iterations)[0]


def _indices(height: int, width: int) -> tuple[Int[Array, "h w"], Int[Array, "h w"]]:
    rows, columns = jnp.meshgrid(
        jnp.arange(height, dtype=jnp.int32), jnp.arange(width, dtype=jnp.int32), indexing="ij"
    )
    return rows, columns
