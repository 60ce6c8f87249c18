"""Prepare one stage: photo, motion and patches as arrays on the stage's grid."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from flows import nearest
from flows.raft import SMALLEST
from mg_jax import guiding, images, schedule
from mg_jax.models.patch import patch_library
from mg_jax.models.patch.denoiser import PatchParams
from mg_jax.models.patch.motion import LayeredMotion
from mg_jax.models.patch.patch_sources import View
from mg_jax.models.patch.posterior import FEW, Candidates
from mg_jax.models.patch.settings import PatchSettings, Stage
from mg_jax.models.patch.tiling import bucket, candidates, closest, slots, tiles
from mg_jax.types import Params, Problem, Schedule

_SHARES = 8  # sides are multiples of grid / 8, so that similar photos share compiled programs
_COMPONENTS = 64
_RADII = (1, 2, 3, 4, 6, 8, 10)
_RADIUS_PER_NOISE = 6.0  # patch radius on a 64 px grid where signal and noise are equal
_MATCHING_RADIUS = 3
_HOME = 0.15  # deviation of what rests from its own place, in cells of a 64 x 64 grid
_REACH = 4  # deviations; patches with a home farther away are not compared
# Deviation of what moves from where anything lands, in cells of a 64 x 64 grid.
_AWAY = 1.0
_LANDS = 48.0  # subtracted from the log-probability of what rests, where something lands
_FULL = 0.5  # share of a cell that is covered wholly for that: thin parts cover no more
_NEVER = 12.0  # if so much is subtracted, patches are not compared
_MOST = 4096  # moving patches that a tile is compared with, the nearest ones


class Prepared(NamedTuple):
    """A stage ready to run."""

    problem: Problem  # of one sample
    schedule: Schedule
    matching: Int[Array, ""]  # position of the matching radius in `PatchParams.radius`
    pictures: Float[Array, "v h w 3"]  # the views on the stage's grid
    places: Int[Array, "k 3"]  # view, row and column of each key
    home: Int[Array, "v h w"]  # the key at each place; a padding key where there is none


def grid_shape(stage: Stage, height: int, width: int) -> tuple[int, int]:
    """Rows and columns of the stage's grid, with about the picture's aspect ratio."""
    unit, least = stage.grid // _SHARES, SMALLEST // stage.zoom
    return images.grid_shape((height, width), stage.grid, unit, least)


def prepare(
    stage: Stage,
    settings: PatchSettings,
    photo: Float[np.ndarray, "H W 3"],
    motion: LayeredMotion,
    region: Bool[np.ndarray, "H W"],
    views: Sequence[View],
    ramp: Float[np.ndarray, " levels"],
    flow_params: Any,
    features_of: Callable[[Any, Float[Array, "b H W 3"]], Any],
) -> Prepared:
    """Bring photo, motion, edit region and views to the stage's grid.

    `photo` and the views' pictures are in [-1, 1]; `features_of` computes the flow network's
    features of the source.
    """
    height, width = region.shape
    shape = grid_shape(stage, height, width)
    rows = schedule.rows(schedule.even(max(1, stage.levels), stage.start), 0, stage.levels)
    rows = rows._replace(ramp=jnp.asarray(ramp, jnp.float32))
    radius = _radii(np.asarray(rows.alpha), stage.grid)
    source = images.box(photo, shape)
    inside = _cover(region, shape) > 0
    denoiser, pictures, places, home = _denoiser(
        stage, motion.landed, inside, views, radius, source
    )
    decoder = (magnifier(shape[0], stage.zoom), magnifier(shape[1], stage.zoom))
    seen = magnify(decoder, jnp.asarray(source)[None])
    size = stage.grid * stage.zoom
    problem = guiding.problem(
        Params(denoiser, decoder, flow_params),
        jnp.asarray(source)[None],
        ~inside[..., None],
        inside[..., None].astype(np.float32),
        guiding.target(
            seen,
            motion.flow,
            size,
            settings,
            flow_params,
            features_of,
            covered=motion.landed & ~motion.moving,
        ),
        settings.guidance_weight,
        clip=settings.clip * stage.grid / 64 * float(np.sqrt(inside.mean())),
    )
    return Prepared(problem, rows, jnp.int32(stage.levels), pictures, places, home)


def magnifier(length: int, zoom: int) -> Float[Array, "long length"]:
    """Matrix that magnifies a side bilinearly, pixel areas aligned."""
    position = np.clip((np.arange(length * zoom) + 0.5) / zoom - 0.5, 0, length - 1)
    matrix = np.maximum(0, 1 - np.abs(position[:, None] - np.arange(length)[None]))
    return jnp.asarray(matrix, jnp.float32)


def magnify(
    matrices: tuple[Float[Array, "H h"], Float[Array, "W w"]], image: Float[Array, "b h w 3"]
) -> Float[Array, "b H W 3"]:
    """The patch model's decoder: bilinear magnification, as two matrix products."""
    down, across = matrices
    return jnp.einsum("Hh,bhwc,Ww->bHWc", down, image, across)


def _denoiser(
    stage: Stage,
    landed: Bool[np.ndarray, "H W"],
    inside: Bool[np.ndarray, "h w"],
    views: Sequence[View],
    radius: Int[np.ndarray, " levels"],
    source: Float[np.ndarray, "h w 3"],
) -> tuple[PatchParams, Float[Array, "v h w 3"], Int[Array, "k 3"], Int[Array, "v h w"]]:
    shape = inside.shape
    pictures = [images.box(view.picture, shape) for view in views]
    chosen = [_cover(view.chosen, shape) > 0.5 for view in views]
    count = sum(int(c.sum()) for c in chosen)
    capacity = -(-(count + 1) // inside.size) * inside.size  # one more, for padding
    used = sorted(set(radius.tolist()))
    patches = patch_library.build(
        pictures, chosen, used, _COMPONENTS, capacity, np.random.default_rng(0)
    )
    where = [np.argwhere(c) for c in chosen]
    places = np.concatenate([np.insert(w, 0, i, axis=1) for i, w in enumerate(where)])
    home = places[:, 1:].astype(np.float32)
    numbers = np.full((len(views), *shape), count)
    numbers[tuple(places.T)] = np.arange(count)
    moves = ~np.array([view.placed for view in views])[places[:, 0]]
    prior = -np.log(max(1, moves.sum())) * moves
    grounds = ~moves & (places[:, 0] > 0)  # however many, they are as likely as one
    prior -= np.log(max(1, len(views) - 2)) * grounds
    parts = tiles(inside)
    room, side = slots(shape)
    cell = stage.grid / 64
    lands = _cover(landed, shape)
    away = np.minimum(nearest.distance(lands > 0), max(shape)) / (_AWAY * cell)
    away = 0.5 * np.square(away)
    placed, free = np.nonzero(~moves)[0], np.nonzero(moves)[0]
    near = [placed[n] for n in candidates(parts, home[placed], _REACH * _HOME * cell)]
    if len(free):
        # If nothing rests, there are no other patches to compare with.
        reached = [not len(placed) or away[tuple(part.T)].min() < _NEVER for part in parts]
        near = [
            np.concatenate([n, free[f]]) if r else n
            for n, f, r in zip(near, closest(parts, home[free], _MOST), reached, strict=True)
        ]
    width = bucket([len(numbers) for numbers in near])

    def tiled(cells: np.ndarray, fill: int | float) -> np.ndarray:
        rows = [_padded(cells[tuple(part.T)], side, fill) for part in parts]
        return _padded(np.stack(rows), room, fill)

    params = PatchParams(
        filters=jnp.asarray(patches.filters),
        response=jnp.asarray(patches.response),
        keys=jnp.asarray(patches.keys),
        values=jnp.asarray(patches.values),
        half_norms=jnp.asarray(patches.half_norms),
        moves=jnp.asarray(_padded(moves, capacity, False)),
        homes=jnp.asarray(_padded(home, capacity, 0)),
        radius=jnp.asarray([used.index(r) for r in radius], jnp.int32),
        source=jnp.asarray(source),
        pixels=jnp.asarray(tiled(np.moveaxis(np.indices(shape), 0, -1), max(shape)), jnp.int32),
        candidates=Candidates(
            jnp.asarray(
                # A tile's candidates are padded with a padding patch, whose weight is 0.
                _padded(np.stack([_padded(n, width, count) for n in near]), room, count),
                jnp.int32,
            ),
            jnp.int32(len(parts)),
            jnp.asarray(_padded(np.array([len(n) <= FEW for n in near]), room, True)),
        ),
        nearness=jnp.asarray(
            _padded((~moves / (_HOME * cell) ** 2).astype(np.float32), capacity, 0)
        ),
        prior=jnp.asarray(_padded(prior.astype(np.float32), capacity, 0)),
        away=jnp.asarray(tiled(away, 0), jnp.float32),
        lands=jnp.asarray(tiled(_LANDS * np.minimum(1, lands / _FULL), 0), jnp.float32),
    )
    return (
        params,
        jnp.asarray(np.stack(pictures)),
        jnp.asarray(_padded(places, capacity, 0), jnp.int32),
        jnp.asarray(numbers, jnp.int32),
    )


def _radii(alpha: Float[np.ndarray, " levels"], grid: int) -> Int[np.ndarray, " positions"]:
    """Patch radius of each level, large while there is much noise; then the matching radius."""
    wanted = _RADIUS_PER_NOISE * np.sqrt((1 - alpha) / alpha) * grid / 64
    steps = np.array(_RADII)
    closest = steps[np.abs(wanted[:, None] - steps[None]).argmin(axis=1)]
    return np.append(closest, _MATCHING_RADIUS)


def _cover(mask: Bool[np.ndarray, "H W"], shape: tuple[int, int]) -> Float[np.ndarray, "h w"]:
    return images.box(mask[..., None].astype(np.float32), shape)[..., 0]


def _padded(rows: np.ndarray, count: int, fill: int | float) -> np.ndarray:
    width = [(0, count - len(rows))] + [(0, 0)] * (rows.ndim - 1)
    return np.asarray(np.pad(rows, width, constant_values=fill))
