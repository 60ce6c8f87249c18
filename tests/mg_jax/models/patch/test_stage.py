"""A stage's problem: grids in the photo's proportions, few shapes, exact magnification."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flows import fitting, masks, motions
from flows.motion import Motion
from mg_jax import images
from mg_jax.models.patch import layers, patch_sources
from mg_jax.models.patch.motion import LayeredMotion
from mg_jax.models.patch.settings import PatchSettings, stages
from mg_jax.models.patch.stage import grid_shape, magnifier, magnify, prepare

SETTINGS = PatchSettings(size=256, steps=4, recursions=1)
COARSE, FINE = stages(SETTINGS)
H, W = 96, 144
RNG = np.random.default_rng(0)
PHOTO = RNG.uniform(-1, 1, (H, W, 3)).astype(np.float32)
PHOTOS = [(480, 640), (640, 480), (100, 100), (1600, 2400), (300, 451), (200, 1000), (1000, 130)]


def disc(radius, at=(48, 56)):
    y, x = np.mgrid[:H, :W]
    return np.hypot(y - at[0], x - at[1]) < radius


def moved(words, mask):
    """As the words say: no joints are looked for."""
    flow = motions.field(motions.parse(words), mask)
    moving = masks.solid(flow)
    return LayeredMotion(flow, moving, masks.destination(flow), layers.order(moving))


@functools.cache
def ready(stage=COARSE, radius=20, dx=30, settings=SETTINGS, pixel=None):
    """A disc moved to the right, prepared; `pixel` is all of the edit region, if given."""
    motion = moved(f"translate dx={dx} dy=0", disc(radius))
    pictures = patch_sources.views(PHOTO, motion, (32, 32))
    region = Motion(motion.flow).near(4.0)
    if pixel:
        region[:] = False
        region[pixel] = True
    ramp = np.linspace(1, 0, stage.levels)
    return prepare(
        stage, settings, PHOTO, motion, region, pictures, ramp, {}, lambda _, seen: seen.mean()
    )


@pytest.mark.parametrize("photo", PHOTOS, ids=str)
@pytest.mark.parametrize("size", range(256, 1025, 64))
def test_the_fine_grid_is_twice_the_coarse(size, photo):
    coarse, fine = stages(PatchSettings(size=size))
    small, large = grid_shape(coarse, *photo), grid_shape(fine, *photo)
    assert large == (2 * small[0], 2 * small[1])
    # The flow network takes no side under 128 pixels.
    assert min(small) * coarse.zoom >= 128
    assert min(large) * fine.zoom >= 128


@pytest.mark.parametrize("photo", PHOTOS, ids=str)
@pytest.mark.parametrize("size", [512, 1024])
def test_a_grid_keeps_area_and_proportions_nearly(size, photo):
    coarse = stages(PatchSettings(size=size))[0]
    rows, columns = grid_shape(coarse, *photo)
    ideal = np.array([photo[0] / photo[1], photo[1] / photo[0]]) ** 0.5 * coarse.grid
    shortest = 128 / coarse.zoom
    expected = np.maximum(ideal, shortest)
    assert np.abs([rows, columns] - expected).max() <= coarse.grid / 16 + 1e-9


def test_photos_of_one_shape_and_any_size_share_a_grid():
    grids = {grid_shape(COARSE, 3 * k, 4 * k) for k in (40, 100, 480, 3000)}
    assert len(grids) == 1


@pytest.mark.parametrize(("length", "zoom"), [(1, 4), (5, 2), (8, 4), (6, 1)])
def test_a_magnifier_mixes_two_neighbours_and_keeps_means(length, zoom):
    matrix = np.asarray(magnifier(length, zoom))
    assert matrix.shape == (length * zoom, length)
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-6)
    assert matrix.min() >= 0
    assert ((matrix > 0).sum(axis=1) <= 2).all()
    np.testing.assert_allclose(matrix.sum(axis=0), zoom, atol=1e-5)
    np.testing.assert_allclose(matrix, matrix[::-1, ::-1], atol=1e-6)


def test_magnifying_keeps_a_constant_and_a_slope():
    matrices = (magnifier(6, 4), magnifier(7, 2))
    constant = magnify(matrices, jnp.full((2, 6, 7, 3), 0.3))
    np.testing.assert_allclose(constant, np.full((2, 24, 14, 3), 0.3), atol=1e-6)
    slope = jnp.broadcast_to(jnp.arange(6.0).reshape(1, 6, 1, 1), (1, 6, 7, 3))
    inner = np.asarray(magnify(matrices, slope))[0, 2:-2, 0, 0]
    np.testing.assert_allclose(np.diff(inner), 0.25, atol=1e-5)


@pytest.mark.parametrize("stage", [COARSE, FINE], ids=["coarse", "fine"])
def test_like_edits_have_arrays_of_one_shape(stage):
    shapes = [
        jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), ready(stage, radius, dx))
        for radius, dx in ((20, 30), (20, 29))
    ]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("stage", [COARSE, FINE], ids=["coarse", "fine"])
def test_a_problem_is_the_photo_at_the_grid(stage):
    shape = grid_shape(stage, H, W)
    problem = ready(stage).problem
    np.testing.assert_allclose(problem.edit.source[0], images.box(PHOTO, shape), atol=1e-6)
    np.testing.assert_array_equal(problem.params.denoiser.source, problem.edit.source[0])
    target = problem.edit.target
    np.testing.assert_allclose(
        target.source, magnify(problem.params.decoder, problem.edit.source), atol=1e-6
    )
    assert target.source.shape[1:3] == (shape[0] * stage.zoom, shape[1] * stage.zoom)
    assert float(target.features) == pytest.approx(float(target.source.mean()), abs=1e-6)
    np.testing.assert_array_equal(problem.edit.guidance_mask == 0, problem.edit.keep)
    np.testing.assert_allclose(ready(stage).schedule.ramp, np.linspace(1, 0, stage.levels))


@pytest.mark.parametrize("stage", [COARSE, FINE], ids=["coarse", "fine"])
def test_the_flow_is_in_the_grids_pixels(stage):
    shape = np.array(grid_shape(stage, H, W)) * stage.zoom
    target = ready(stage, dx=30).problem.edit.target
    assert float(target.flow[..., 0].max()) == pytest.approx(30 * shape[1] / W)
    assert not np.asarray(target.flow[..., 1]).any()
    # Moved or not, nothing between: a mean of both would be a motion that nobody asked for.
    assert len(np.unique(target.flow[..., 0])) == 2
    assert float((target.flow[..., 0] > 0).mean()) == pytest.approx(disc(20).mean(), rel=0.05)


def test_the_grids_region_has_every_cell_that_the_photos_region_touches():
    problem = ready(pixel=(50, 70)).problem
    rows, columns = grid_shape(COARSE, H, W)
    asked = ~np.asarray(problem.edit.keep)[0, ..., 0]
    np.testing.assert_array_equal(np.argwhere(asked), [[50 * rows // H, 70 * columns // W]])
    pixels = np.asarray(problem.params.denoiser.pixels).reshape(-1, 2)
    inside = (pixels < np.array([rows, columns])).all(axis=-1)
    np.testing.assert_array_equal(pixels[inside], np.argwhere(asked))


def test_each_key_says_where_its_patch_is():
    prepared = ready()
    values = np.asarray(prepared.problem.params.denoiser.values)
    real = np.asarray(prepared.problem.params.denoiser.half_norms)[0] < 1e8
    view, row, column = np.asarray(prepared.places)[real].T
    np.testing.assert_array_equal(np.asarray(prepared.pictures)[view, row, column], values[real])
    assert set(view) == set(range(len(prepared.pictures)))
    homes = np.asarray(prepared.problem.params.denoiser.homes)[real]
    np.testing.assert_array_equal(homes, np.stack([row, column], axis=-1))


def test_each_place_says_which_key_lies_there():
    prepared = ready()
    real = np.asarray(prepared.problem.params.denoiser.half_norms)[0] < 1e8
    home, places = np.asarray(prepared.home), np.asarray(prepared.places)
    np.testing.assert_array_equal(home[tuple(places[real].T)], np.nonzero(real)[0])
    assert (home >= real.sum()).sum() == home.size - real.sum()  # elsewhere what pads the keys


def test_where_what_moves_lands_no_patch_knows_and_what_rests_is_at_home():
    prepared = ready()
    params = prepared.problem.params.denoiser
    real = np.asarray(params.half_norms)[0] < 1e8
    view = np.asarray(prepared.places)[real, 0]
    moves = np.asarray(params.moves)[real]
    np.testing.assert_array_equal(moves, view == len(prepared.pictures) - 1)
    nearness = np.asarray(params.nearness)[real]
    assert (nearness[~moves] > 0).all()
    assert not nearness[moves].any()
    # One of what moves is as likely as any other, and together they are as likely as a resting one,
    # and so are the grounds that a place may have.
    prior = np.asarray(params.prior)[real]
    np.testing.assert_allclose(np.exp(prior[moves]).sum(), 1, rtol=1e-3)
    assert (prior[view == 0] == 0).all()
    grounds = len(prepared.pictures) - 2
    np.testing.assert_allclose(np.exp(prior[(view > 0) & ~moves]), 1 / grounds, rtol=1e-6)


def test_what_may_move_to_a_tile_comes_from_anywhere_and_what_rests_from_near():
    prepared = ready()
    params = prepared.problem.params.denoiser
    moves, homes = np.asarray(params.moves), np.asarray(params.homes)
    rests = np.asarray(params.nearness) > 0
    for i in range(int(params.candidates.tiles)):
        keys = np.asarray(params.candidates.keys)[i]
        assert rests[keys].any()
        if params.away[i, 0] == 0:  # something lands there
            assert np.isin(np.nonzero(moves)[0], keys).all()
    assert np.ptp(homes[moves], axis=0).min() > 8  # cells, of a tile's 8


def test_radii_fall_with_the_noise_and_end_on_the_matching_one():
    prepared = ready(stages(PatchSettings(size=256, steps=24))[0])
    radius = np.asarray(prepared.problem.params.denoiser.radius)
    assert radius.shape == (25,)
    assert (np.diff(radius[:-1]) <= 0).all()
    assert int(prepared.matching) == 24
    assert radius.max() < prepared.problem.params.denoiser.filters.shape[0]


def test_where_the_object_lands_what_rests_loses_and_away_from_it_what_moves_does():
    params = ready().problem.params.denoiser
    lands, away = np.asarray(params.lands), np.asarray(params.away)
    rows, columns = grid_shape(COARSE, H, W)
    cells = np.asarray(params.pixels)
    inside = (cells < np.array([rows, columns])).all(axis=-1)
    row, column = (cells[inside] * np.array([H, W]) // np.array([rows, columns])).T
    landing, near = (disc(radius, at=(48, 86))[row, column] for radius in (14, 28))
    for loss, here, there in (
        (lands[inside], landing, ~near),
        (away[inside], ~near, landing),
    ):
        assert (loss >= 0).all()
        assert loss[here].min() > 0
        assert not loss[there].any()


def test_between_the_pixels_of_what_is_enlarged_the_ground_has_no_say():
    """The reference's rule leaves them visible: guidance would then hold the ground there."""
    motion = moved("scale factor=4", disc(8))
    pictures = patch_sources.views(PHOTO, motion, (32, 32))
    everywhere, ramp = np.ones((H, W), bool), np.ones(COARSE.levels)
    target = prepare(
        COARSE, SETTINGS, PHOTO, motion, everywhere, pictures, ramp, {}, lambda _, seen: seen.mean()
    ).problem.edit.target
    visible = np.asarray(target.visible)[0, ..., 0] > 0
    covered = masks.destination(motion.flow) & ~motion.moving
    there = fitting.nearest(covered, *visible.shape)
    assert there.sum() > 1000
    assert not visible[there].any()
    assert visible[0].all()


def test_half_a_cell_that_something_lands_on_counts_as_a_whole_one():
    """Thin parts cover no more of their cells."""
    lands = np.asarray(ready().problem.params.denoiser.lands)
    pixels = np.asarray(ready().problem.params.denoiser.pixels)
    share = images.box(
        moved("translate dx=30 dy=0", disc(20)).landed[..., None].astype(np.float32),
        ready().home.shape[1:],
    )[..., 0]
    inside = (pixels < share.shape).all(axis=-1)
    expected = np.minimum(1, 2 * share[tuple(pixels[inside].T)])
    np.testing.assert_allclose(lands[inside] / lands.max(), expected, atol=1e-5)
    assert ((expected == 1) & (share[tuple(pixels[inside].T)] < 1)).any()


def test_settings_reach_the_problem():
    settings = PatchSettings(
        size=256,
        steps=4,
        guidance_weight=7.0,
        color_weight=5.0,
        flow_weight=2.0,
        occlusion_masking=False,
    )
    problem = ready(settings=settings).problem
    assert float(problem.strengths.guidance_weight[0]) == 7
    assert float(problem.edit.target.color_weight[0]) == 5
    assert float(problem.edit.target.flow_weight[0]) == 2
    assert np.asarray(problem.edit.target.visible).all()
    assert not np.asarray(ready().problem.edit.target.visible).all()


ODD = {
    "tiny": (16, 16, "translate dx=4", np.s_[4:9, 3:8]),
    "panorama": (30, 200, "translate dx=50", np.s_[5:25, 30:60]),
    "one pixel moves": (200, 300, "translate dx=60", np.s_[90:91, 90:91]),
    "everything moves": (60, 90, "scale factor=1.5", np.s_[:, :]),
    "everything goes far": (60, 90, "translate dx=70", np.s_[:, :]),
    "shrinks to nothing": (100, 150, "scale factor=0.01", np.s_[10:90, 10:140]),
    "grows to all": (100, 150, "scale factor=20", np.s_[48:53, 73:78]),
    "leaves but for a rim": (100, 150, "translate dx=148", np.s_[20:80, 0:20]),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_motions_make_finite_problems(name):
    height, width, words, where = ODD[name]
    mask = np.zeros((height, width), bool)
    mask[where] = True
    photo = RNG.uniform(-1, 1, (height, width, 3)).astype(np.float32)
    motion = moved(words, mask)
    problem = prepare(
        COARSE,
        SETTINGS,
        photo,
        motion,
        Motion(motion.flow).near(2.0),
        patch_sources.views(photo, motion, (32, 32)),
        np.ones(4),
        {},
        lambda _, seen: seen.mean(),
    ).problem
    for leaf in jax.tree.leaves(problem):
        assert np.isfinite(leaf).all()
    params = problem.params.denoiser
    # Every pixel that is asked for has a patch that it may take.
    real = np.asarray(params.half_norms)[0] < 1e8
    pixels = np.asarray(params.pixels)
    used = int(params.candidates.tiles)
    assert real[np.asarray(params.candidates.keys)[:used]].any(axis=1).all()
    assert (pixels[:used] >= 0).all()
