"""Snap an estimate to real patches: the last step of the patch denoiser's trajectory.

As noise vanishes, the posterior mean becomes the nearest patch. Letting every pixel of that patch
vote, not only its centre, and repeating this, is expectation maximisation of patch coherence
(Wexler, Shechtman & Irani 2007); it removes the blur that the mean of many patches has caused.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from mg_jax.models.patch.denoiser import PatchParams, logits, nearest
from mg_jax.types import Schedule

# ᾱ of the little noise that the estimate is taken to have: near ties go to the nearer home.
_ALPHA = 0.9
_SLACK = 2  # cells; a match within this distance of home is moved home
# By how much another patch's logit must exceed that of the one at home: a difference of a fifth in
# every value.
_LIKELIER = 28.0
_ROUND = 1 / 16  # radius in which arrived cells are counted, as a share of the picture's size
_MOST = 0.5  # if more than this share of what lands there has arrived, a cell is moved home
_WHOLE = 0.65  # if at least this share of all that lands has arrived, the rest is taken to have


def match(
    params: PatchParams,
    places: Int[Array, "k 3"],
    home: Int[Array, "v h w"],
    image: Float[Array, "h w 3"],
    radius: Int[Array, ""],
    settled: Bool[Array, "h w"],
) -> Int[Array, "h w 3"]:
    """Match each pixel of the region with its likeliest patch: picture, row and column of it.

    Pixels outside the region match themselves. The patch at home, i.e. at the pixel's own place in
    one of the pictures, is preferred if it is nearly as likely, or if the likeliest one lies within
    two cells of it: then the sampler has brought the content to where the motion wants it. It is
    also taken for moving content if most of that has arrived around it.

    Args:
        params: the denoiser's.
        places: picture, row and column of each key.
        home: the key at each place of each picture.
        image: the estimate, in [-1, 1].
        radius: position in the schedule whose patch radius is used.
        settled: where the moved picture's own patch has been matched before; where anything lands,
            it stays there.
    """
    height, width, _ = image.shape
    level = Schedule(radius, *(jnp.float32(value) for value in (0.0, _ALPHA, 1.0, 0.0)))
    z = image[None] * jnp.sqrt(level.alpha)
    best, most = (match[0] for match in nearest(params, z, level))
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
    there = settled[row, column] & (params.lands > 0) & _offered(params, places, at_home[-1])
    best = jnp.where(there, at_home[-1], best)
    best = _coherent(params, places, at_home[-1], best, (height, width))
    best = _cleared(params, places, at_home, likely, best)
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
    """Correct single wrong matches where most moving content around has arrived at its target.

    `moved` is the moved picture's patch that belongs there. Where content has not arrived around,
    because guidance did not bring it, matches stay as they were sampled.
    """
    landing, most = _most_arrived(params, places, moved, best == moved, shape)
    return jnp.where(landing & most, moved, best)


def _cleared(
    params: PatchParams,
    places: Int[Array, "k 3"],
    at_home: Int[Array, "v tiles q"],
    likely: Float[Array, "v tiles q"],
    best: Int[Array, "tiles q"],
) -> Int[Array, "tiles q"]:
    """Replace moving content far from where the moved picture has any, by the likeliest ground.

    Pieces that sampling has left behind. Only if most of what moves has arrived: what guidance did
    not bring is not taken away.
    """
    if at_home.shape[0] < 3:  # there is no ground: all moves
        return best
    offered = jax.vmap(_offered, (None, None, 0))(params, places, at_home)
    grounds = jnp.where(offered, likely, -jnp.inf)[1:-1]
    first = jnp.argmax(grounds, axis=0)
    ground = jnp.take_along_axis(at_home[1:-1], first[None], axis=0)[0]
    lands = params.lands > 0.5 * jnp.max(params.lands)
    arrived = 2 * (lands & (best == at_home[-1])).sum() > lands.sum()
    stray = params.moves[best] & ~offered[-1] & offered[1:-1].any(axis=0)
    return jnp.where(arrived & stray, ground, best)


def _offered(
    params: PatchParams, places: Int[Array, "k 3"], keys: Int[Array, "tiles q"]
) -> Bool[Array, "tiles q"]:
    """Where a key at home is a patch: where there is none it is padding, which lies elsewhere."""
    return (places[keys][..., 1:] == params.pixels).all(axis=-1)


def _most_arrived(
    params: PatchParams,
    places: Int[Array, "k 3"],
    moved: Int[Array, "tiles q"],
    arrived: Bool[Array, "tiles q"],
    shape: tuple[int, int],
) -> tuple[Bool[Array, "tiles q"], Bool[Array, "tiles q"]]:
    """Where moving content should lie, and where most of it round a cell does."""
    row, column = params.pixels[..., 0], params.pixels[..., 1]
    lands = params.lands > 0.5 * jnp.max(params.lands)
    lands &= _offered(params, places, moved)
    counted = jnp.stack([lands & arrived, lands], axis=-1).astype(jnp.float32)
    grid = jnp.zeros((*shape, 2)).at[row, column].set(counted, mode="drop")
    side = 2 * round(_ROUND * (shape[0] * shape[1]) ** 0.5) + 1
    sums = jax.lax.reduce_window(grid, 0.0, jax.lax.add, (side, side, 1), (1, 1, 1), "SAME")
    here, there = jnp.moveaxis(sums.at[row, column].get(mode="clip"), -1, 0)
    return lands, here > _MOST * there


def vote(
    pictures: Float[Array, "v h w 3"],
    matches: Int[Array, "h w 3"],
    region: Bool[Array, "h w"],
    reach: int,
) -> Float[Array, "h w 3"]:
    """Average, at each pixel, what the matches of the pixels at most `reach` away would copy here.

    Only pixels of the region vote; the result is NaN where none is within reach. Beyond the
    picture, matches continue with the offset at its edge.
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
    settled: Bool[Array, "h w"],
    *,
    iterations: int,
    reach: int,
) -> tuple[Float[Array, "h w 3"], Int[Array, "h w 3"]]:
    """Replace the region by coherent patches, in `iterations` rounds; return the matches, too."""
    region = jnp.zeros(image.shape[:2], bool)
    region = region.at[params.pixels[..., 0], params.pixels[..., 1]].set(True, mode="drop")

    def once(carry: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], None]:
        matches = match(params, places, home, carry[0], radius, settled)
        voted = vote(pictures, matches, region, reach)
        return (jnp.where(region[..., None], voted, params.source), matches), None

    start = (image, jnp.zeros((*image.shape[:2], 3), jnp.int32))
    return jax.lax.scan(once, start, length=iterations)[0]


def settled(
    params: PatchParams,
    places: Int[Array, "k 3"],
    home: Int[Array, "v h w"],
    matches: Int[Array, "h w 3"],
) -> Bool[Array, "h w"]:
    """Where moving content has arrived, as most of it round there: what the next grid may rely on.

    On a finer grid thin parts would be lost else, by the votes of what lies round them. If most
    of all has arrived, the rest is taken to have arrived, too: an object is one thing.
    """
    row, column = params.pixels[..., 0], params.pixels[..., 1]
    moved, shape = home[-1][row, column], home.shape[1:]
    arrived = (matches[row, column] == places[moved]).all(axis=-1)
    lands, most = _most_arrived(params, places, moved, arrived, (shape[0], shape[1]))
    here, there = (jnp.sum(cells, dtype=jnp.float32) for cells in (lands & arrived, lands))
    whole = here >= _WHOLE * there
    taken = ((arrived & most) | whole) & (params.lands > 0)
    return jnp.zeros(shape, bool).at[row, column].set(taken, mode="drop")


def _indices(height: int, width: int) -> tuple[Int[Array, "h w"], Int[Array, "h w"]]:
    rows, columns = jnp.meshgrid(
        jnp.arange(height, dtype=jnp.int32), jnp.arange(width, dtype=jnp.int32), indexing="ij"
    )
    return rows, columns
