"""Editing, with the shipped photo and weights, at the smallest settings."""

import dataclasses
import functools
import io
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image as Pillow
from scipy import ndimage

import mg_jax
from flows import masks, motions, nearest
from flows.geometry import warp
from flows.motion import Motion
from mg_jax import api, images, metrics, networks
from mg_jax.interfaces import ModelResult
from mg_jax.models.patch import coarse_to_fine

# The rim of the cup leaves the small picture.
pytestmark = pytest.mark.filterwarnings("ignore::mg_jax.EditWarning")

DATA = Path(__file__).parents[2] / "experiments" / "data"
H, W = 128, 192
SETTINGS = mg_jax.PatchSettings(size=256, steps=4, recursions=1)
LEVELS = 4
UNGUIDED = dataclasses.replace(SETTINGS, guidance_weight=0.0, clip=1.0)
SAMPLES = 2


@functools.cache
def photo():
    return images.resize(images.read(DATA / "coffee.png"), H, W)


@functools.cache
def flow(words="translate dx=32 dy=0"):
    mask = images.read_mask(DATA / "coffee_mask.png").astype(np.uint8)[..., None]
    return motions.field(motions.parse(words), images.resize(255 * mask, H, W)[..., 0] > 127)


@pytest.fixture(scope="module")
def first():
    """The edit, and its steps."""
    steps = []
    return mg_jax.edit(photo(), flow(), seed=0, settings=SETTINGS, callback=steps.append), steps


@pytest.fixture(scope="module")
def other(first):  # noqa: ARG001 - it is compiled first
    """Another motion, seed and strength."""
    return mg_jax.edit(photo(), flow("translate dx=30 dy=2"), seed=1, settings=UNGUIDED)


@pytest.fixture(scope="module")
def batch():
    return mg_jax.edit(
        photo(), flow("translate dx=30 dy=2"), seed=0, settings=UNGUIDED, samples=SAMPLES
    )


def test_a_result_is_a_picture_of_the_photos_size(first):
    result, _ = first
    assert result.image.shape == photo().shape
    assert result.image.dtype == np.uint8
    np.testing.assert_array_equal(result.images, result.image[None])
    np.testing.assert_array_equal(result.source, photo())
    np.testing.assert_array_equal(result.flow, flow())
    assert result.estimate.shape == flow().shape


def test_the_edit_moves_the_object(first):
    result, _ = first
    moved, still = masks.moving(flow()), np.zeros_like(flow())
    nothing = metrics.measure(photo(), photo(), Motion(flow()), result.region, still, moved)
    for name in ("flow_l1_px", "flow_epe_moved_px", "color_l1_moved"):
        assert result.metrics[name] < 0.9 * nothing[name]
    assert result.metrics["flow_epe_moved_px"] < 0.5 * nothing["flow_epe_moved_px"]


def test_its_metrics_are_the_rulers(first):
    result, _ = first
    judged = metrics.measurable(networks.flow_network("raft-small"), photo(), Motion(flow()))
    again = metrics.measure(
        photo(), result.image, Motion(flow()), result.region, result.estimate, judged
    )
    assert {name: result.metrics[name] for name in again} == again
    assert result.metrics["samples"] == [again]
    assert 0 <= result.metrics["seconds_compile"] < result.metrics["seconds"]
    assert result.metrics["peak_memory_bytes"] > 2**20
    assert (result.metrics["model"], result.metrics["flow_model"]) == ("patch", "raft-small")


def test_outside_the_region_every_pixel_is_the_photos(first, other, batch):
    for result in (first[0], other, batch):
        assert 0 < result.region.mean() < 1
        moved = masks.moving(result.flow) | masks.destination(result.flow)
        assert result.region[moved].all()  # and what follows at a joint, if there is one
        for image in result.images:
            np.testing.assert_array_equal(image[~result.region], photo()[~result.region])
        assert result.metrics["kept_l1"] == 0


def test_a_seed_means_one_result(first):
    again = mg_jax.edit(photo(), flow(), seed=0, settings=SETTINGS)
    np.testing.assert_array_equal(again.image, first[0].image)
    assert dataclasses.replace(again, metrics={}) == dataclasses.replace(first[0], metrics={})


def test_one_compilation_serves_every_edit_of_a_shape(other):
    assert other.metrics["seconds_compile"] == 0


def test_samples_are_what_the_next_seeds_make(other, batch):
    assert batch.images.shape == (SAMPLES, *photo().shape)
    np.testing.assert_array_equal(batch.image, batch.images[0])
    assert (batch.history.terms["color"][:, 0] != batch.history.terms["color"][:, 1]).any()
    # Rounding differs with the batch, and a near tie may take another patch.
    differs = (batch.images[1] != other.image).any(axis=-1)
    assert differs.mean() < 0.02
    np.testing.assert_allclose(
        batch.history.terms["color"][:, 1], other.history.terms["color"][:, 0], rtol=1e-2
    )
    assert len(batch.metrics["samples"]) == SAMPLES


def test_a_callback_sees_every_level(first):
    _, steps = first
    assert [(p.phase, p.level, p.done, p.levels) for p in steps] == [
        ("sampling", i, i + 1, LEVELS) for i in range(LEVELS)
    ]
    assert [int(p.state.steps) for p in steps] == [1, 2, 3, 4]
    shown = steps[-1].picture()
    assert (shown.dtype, shown.shape[0], shown.shape[3]) == (np.uint8, 1, 3)


def test_what_a_callback_raises_stops_the_run():
    seen = []

    def stop(step):
        seen.append(step.level)
        if step.level == 1:
            raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        mg_jax.edit(photo(), flow(), settings=SETTINGS, callback=stop)
    assert seen == [0, 1]


def test_the_history_has_a_row_an_evaluation(first, batch):
    for result, samples in ((first[0], 1), (batch, SAMPLES)):
        history = result.history
        assert history.level.tolist() == [0, 1, 2, 3]
        assert history.recursion.tolist() == [0] * LEVELS
        terms = history.terms
        assert list(terms) == ["flow", "color"]
        for field in (history.energy, terms["flow"], terms["color"], history.guidance_norm):
            assert field.shape == (LEVELS, samples)
            assert np.isfinite(field).all()
    terms = first[0].history.terms
    weighed = SETTINGS.flow_weight * terms["flow"] + SETTINGS.color_weight * terms["color"]
    np.testing.assert_allclose(first[0].history.energy, weighed, rtol=1e-4)


def squares(_params, target, image, level):
    """An energy that is not the paper's: it reads the level, and names its terms."""
    back = jax.vmap(warp)(image, target.flow)
    asked = jnp.mean(jnp.square(back - target.source), axis=(1, 2, 3))
    dark = jnp.mean(1 + image, axis=(1, 2, 3)) * level.alpha
    return 300 * asked + dark, {"asked": asked, "light": {"dark": dark}}


def test_an_energy_of_ones_own_guides_and_its_terms_are_recorded(first):
    result = mg_jax.edit(photo(), flow(), settings=SETTINGS, energy=squares)
    terms = result.history.terms
    guided = result.history.guidance_norm[:, 0] > 0
    assert guided.tolist() == [True, True, True, False]
    np.testing.assert_allclose(
        result.history.energy[guided],
        (300 * terms["asked"] + terms["light.dark"])[guided],
        rtol=1e-4,
    )
    assert (result.image != first[0].image).any()
    motion = Motion(flow())
    still = metrics.measure(
        photo(), photo(), motion, result.region, np.zeros_like(flow()), motion.moving
    )
    assert result.metrics["color_l1_moved"] < 0.5 * still["color_l1_moved"]


def test_a_result_is_saved_and_loaded(first, batch, tmp_path):
    for result in (batch, first[0]):  # the second has fewer samples
        result.save(tmp_path / "out")
        back = mg_jax.Result.load(tmp_path / "out")
        assert back == result
        assert back != dataclasses.replace(result, seed=5)
        assert back != dataclasses.replace(result, flow=result.flow + 1)
    (tmp_path / "out" / "metrics.json").unlink()
    with pytest.raises(ValueError, match=r"out: has no metrics\.json; expected [^\n]*$"):
        mg_jax.Result.load(tmp_path / "out")


@pytest.mark.parametrize("name", ["metrics.json", "result.json", "arrays.npz", "history.npz"])
def test_a_broken_file_of_a_result_is_named_in_one_line(first, tmp_path, name):
    first[0].save(tmp_path)
    (tmp_path / name).write_bytes(b"[]{")
    with pytest.raises(ValueError, match=rf"{name}: broken \([^\n]*\); expected [^\n]*$"):
        mg_jax.Result.load(tmp_path)


def test_a_result_says_in_one_line_what_it_is(first, batch):
    assert re.fullmatch(rf"Result\({W}x{H}, 1 sample, patch, seed 0: .* px .*\)", repr(first[0]))
    assert "2 samples" in repr(batch)
    assert first[0].settings == dataclasses.asdict(SETTINGS)
    assert first[0].latents.shape[0] == 1


def test_the_overview_shows_source_flow_result_and_flow_found(first):
    result, _ = first
    sheet = result.overview()
    assert sheet.shape[0] > H
    assert sheet.shape[1] > 2 * W
    others = {"source": 255 - photo(), "image": photo(), "estimate": result.estimate + 5}
    for name, value in others.items():
        changed_sheet = dataclasses.replace(result, **{name: value}).overview()
        assert (changed_sheet != sheet).any(axis=-1).mean() > 0.03


def test_the_overview_says_when_the_flow_cannot_be_judged(first):
    result, _ = first
    unknown = result.metrics | {"flow_l1_px": None, "judged_moved": 0.1}
    said = dataclasses.replace(result, metrics=unknown).overview()
    differs = np.argwhere((said != result.overview()).any(axis=-1))
    assert 0 < np.ptp(differs[:, 0]) < H / 4  # a line of text


def test_a_notebook_shows_the_picture(first):
    shown = Pillow.open(io.BytesIO(first[0]._repr_png_()))
    np.testing.assert_array_equal(np.asarray(shown), first[0].image)


def test_the_estimates_of_every_so_many_levels_make_a_film(tmp_path):
    result = mg_jax.edit(photo(), flow(), settings=SETTINGS, record=2)
    levels = len(np.unique(result.history.level, return_index=True)[1])
    assert 0 < len(result.estimates) <= levels
    film = result.animation(seconds=1.0)
    np.testing.assert_array_equal(film.frames[0], photo())
    np.testing.assert_array_equal(film.frames[-1], result.image)
    assert len(film.frames) == len(result.estimates) + 2
    assert {frame.shape for frame in film.frames} == {photo().shape}
    result.save(tmp_path)
    assert mg_jax.Result.load(tmp_path) == result


def test_without_recorded_levels_there_is_no_film(first):
    with pytest.raises(ValueError, match=r"estimates: none recorded; expected .*record=1"):
        first[0].animation()
    with pytest.raises(ValueError, match="record: -1; expected 0"):
        mg_jax.edit(photo(), flow(), settings=SETTINGS, record=-1)


def test_a_plot_has_a_line_for_the_energy_and_each_of_its_terms(first):
    result, _ = first
    lines = result.plot().axes[1].lines
    drawn = {line.get_label(): line.get_ydata() for line in lines}
    assert drawn.keys() == {"energy", "guidance norm", *result.history.terms}
    energy = result.history.energy[:, 0]  # of levels without guidance it is 0: nothing is drawn
    assert (energy == 0).any()
    np.testing.assert_array_equal(drawn["energy"], np.where(energy > 0, energy, np.nan))


def test_jupyter_shows_a_plot_as_a_picture(first):
    result, _ = first
    shown = Pillow.open(io.BytesIO(result.plot()._repr_png_()))
    assert shown.width == 1000
    assert np.unique(np.asarray(shown.convert("L"))).size > 100


def test_files_words_and_open_pictures_ask_for_the_same_edit(monkeypatch, tmp_path):
    stand_in(monkeypatch)
    mask = masks.moving(flow())
    images.write(tmp_path / "photo.png", photo())
    Pillow.fromarray(mask).save(tmp_path / "mask.png")
    words = "translate dx=32 dy=0"
    by_arrays = mg_jax.edit(photo(), motions.field(motions.parse(words), mask), settings=SETTINGS)
    for image, chosen in (
        (tmp_path / "photo.png", tmp_path / "mask.png"),
        (Pillow.fromarray(photo()), Pillow.fromarray(mask)),
        (jnp.asarray(photo()), jnp.asarray(mask)),
    ):
        asked = mg_jax.edit(image, words, mask=chosen, settings=SETTINGS)
        np.testing.assert_array_equal(asked.source, photo())
        np.testing.assert_array_equal(asked.flow, by_arrays.flow)
    for image in (tmp_path / "photo.png", Pillow.fromarray(photo())):
        shown = mg_jax.preview(image, words, mask=tmp_path / "mask.png")
        np.testing.assert_array_equal(
            shown, mg_jax.preview(photo(), by_arrays.flow, mask.astype(int))
        )


def test_a_loaded_flow_network_guides_and_judges(monkeypatch):
    stand_in(monkeypatch)
    network = networks.flow_network("raft-small")
    result = mg_jax.edit(photo(), flow(), settings=SETTINGS, flow_model=network)
    assert result.metrics["flow_model"] == repr(network)
    named = mg_jax.edit(photo(), flow(), settings=SETTINGS)
    np.testing.assert_array_equal(result.estimate, named.estimate)


def test_what_may_not_be_meant_is_a_warning(monkeypatch):
    stand_in(monkeypatch)
    with pytest.warns(mg_jax.EditWarning, match="of the moved pixels leave the picture"):
        mg_jax.edit(photo(), flow("translate dx=110"), settings=SETTINGS)


def test_a_keep_mask_says_what_stays(monkeypatch):
    keep = np.zeros((H, W), bool)
    keep[:, :40] = True
    seen = stand_in(monkeypatch)
    result = mg_jax.edit(photo(), flow(), keep_mask=keep, settings=SETTINGS)
    np.testing.assert_array_equal(seen["region"], ~keep)
    np.testing.assert_array_equal(result.region, ~keep)


def test_the_guidance_schedule_is_ones_unless_given(monkeypatch):
    seen = stand_in(monkeypatch)
    mg_jax.edit(photo(), flow(), settings=SETTINGS)
    np.testing.assert_array_equal(seen["ramp"], np.ones(LEVELS))
    mg_jax.edit(photo(), flow(), settings=SETTINGS, ramp=np.linspace(1, 0, LEVELS))
    np.testing.assert_array_equal(seen["ramp"], np.linspace(1, 0, LEVELS))


def stand_in(monkeypatch):
    """Put the photo itself in the sampler's place; return what the sampler was asked."""
    seen = {}

    def edit(image, motion, region, _raft, keys, _settings, ramp, _energy, _mesh, _apart):
        seen.update(motion=motion, region=region, ramp=ramp)
        yield from ()
        return ModelResult(
            np.stack([image] * keys.size), region, np.zeros((keys.size, 0, 0, 0), np.float32)
        )

    monkeypatch.setattr(coarse_to_fine, "edit", edit)
    return seen


def changed(array, value):
    out = array.copy()
    out.flat[0] = value
    return out


def one(shape, *where):
    out = np.zeros(shape, np.float32)
    out[where] = 5
    return out


def test_the_order_of_layers_is_told(monkeypatch):
    seen = stand_in(monkeypatch)
    for number in (1, 3):
        order = np.where(masks.moving(flow()), number, 0)
        mg_jax.edit(photo(), flow(), order=order, settings=SETTINGS)
        assert set(seen["motion"].order[masks.moving(flow())].tolist()) == {number}


# The preview.


def test_a_preview_carries_the_motion_out_and_keeps_the_photo_outside_the_region():
    shown = mg_jax.preview(photo(), flow())
    assert (shown.shape, shown.dtype) == (photo().shape, np.uint8)
    inner = ndimage.binary_erosion(masks.moving(flow()), iterations=6)
    inner[:, W - 32 :] = False
    landed = np.roll(inner, 32, axis=1)
    np.testing.assert_array_equal(shown[landed], photo()[inner])
    left = masks.moving(flow()) & ~masks.destination(flow())
    assert (shown != photo()).any(axis=-1)[left].mean() > 0.9
    far = nearest.distance(masks.moving(flow()) | masks.destination(flow())) > 20
    np.testing.assert_array_equal(shown[far], photo()[far])
    np.testing.assert_array_equal(mg_jax.preview(photo(), flow()), shown)


def test_the_preview_is_a_model_that_runs_no_levels(monkeypatch):
    seen = stand_in(monkeypatch)
    result = mg_jax.edit(photo(), flow(), model="preview", samples=2)
    assert not seen
    for image in result.images:
        np.testing.assert_array_equal(image, mg_jax.preview(photo(), flow()))
    assert result.metrics["model"] == "preview"
    assert result.metrics["kept_l1"] == 0
    assert result.history.energy.shape == (0, 2)
    assert len(result.metrics["samples"]) == 2


def test_in_a_preview_the_order_decides_where_objects_meet():
    left, right = np.zeros((2, H, W), bool)
    left[40:80, 20:60], right[40:80, 120:160] = True, True
    picture = np.full((H, W, 3), 128, np.uint8)
    picture[left], picture[right] = (255, 0, 0), (0, 0, 255)
    crossing = motions.field(motions.parse("translate dx=50"), left)
    crossing += motions.field(motions.parse("translate dx=-50"), right)
    for order, colour in ((left + 2 * right, [0, 0, 255]), (2 * left + right, [255, 0, 0])):
        for shown in (
            mg_jax.preview(picture, crossing, order),
            mg_jax.edit(picture, crossing, model="preview", order=order).image,
        ):
            np.testing.assert_array_equal(shown[60, 90], colour)


def test_a_preview_refuses_what_an_edit_does():
    for name, bad in (
        ("image", {"image": photo()[:8], "flow": flow()[:8]}),
        ("flow", {"flow": 0 * flow()}),
        ("order", {"order": np.full((H, W), -1)}),
    ):
        with pytest.raises(ValueError, match=rf"^{name}: [^\n]*expected"):
            mg_jax.preview(**({"image": photo(), "flow": flow()} | bad))


KEPT = np.ones((H, W), bool)
REFUSED = [
    ("image", {"image": photo().astype(np.float32)}, "float32 of shape"),
    ("image", {"image": photo()[..., 0]}, "expected uint8"),
    ("image", {"image": np.dstack([photo(), photo()[..., :1]])}, "expected uint8"),
    ("image", {"image": np.zeros((8, 40, 3), np.uint8)}, "40x8 pixels"),
    ("flow", {"flow": flow()[:-1]}, "shape"),
    ("flow", {"flow": flow()[..., 0]}, "shape"),
    ("flow", {"flow": np.dstack([flow(), flow()[..., :1]])}, "shape"),
    ("flow", {"flow": flow().astype(np.int32)}, "int32"),
    ("flow", {"flow": changed(flow(), np.nan)}, "NaN"),
    ("flow", {"flow": changed(flow(), -np.inf)}, "Inf"),
    ("flow", {"flow": changed(flow().astype(np.float64), 1e300)}, "1e\\+300 pixels far"),
    ("flow", {"flow": np.zeros_like(flow())}, "zero everywhere"),
    ("flow", {"flow": one((H, W, 2), 3, 3) * 1000}, "out of the picture"),
    (
        "model",
        {"model": "external", "settings": None},
        "external: no such file or folder; expected a diffusers folder",
    ),
    ("settings", {"model": "external"}, "expected StableDiffusionSettings"),
    ("settings", {"settings": mg_jax.StableDiffusionSettings()}, "expected PatchSettings"),
    (
        "replay",
        {"replay": mg_jax.Replay(start=np.zeros((1, 1, 4), np.float32))},
        "model patch reads",
    ),
    ("prompt", {"prompt": "a cup"}, "model patch reads none"),
    ("seed", {"seed": -1}, "-1"),
    ("seed", {"seed": 2**32}, "4294967296"),
    ("samples", {"samples": 0}, "0; expected 1 to"),
    ("samples", {"samples": 10**9}, "1000000000; expected 1 to"),
    ("keep_mask", {"keep_mask": KEPT}, "covers everything"),
    ("keep_mask", {"keep_mask": ~KEPT}, "covers nothing"),
    ("keep_mask", {"keep_mask": KEPT[1:]}, "shape"),
    ("keep_mask", {"keep_mask": KEPT.astype(np.uint8)}, "uint8"),
    ("order", {"order": np.zeros((H, W))}, "float64"),
    ("order", {"order": np.zeros((W, H), int)}, "shape"),
    ("order", {"order": np.full((H, W), -1)}, "-1"),
    ("settings", {"model": "preview"}, "reads none"),
    (
        "prompt",
        {"model": "preview", "settings": None, "prompt": "a cup"},
        "preview reads none",
    ),
    ("raft-tiny", {"flow_model": "raft-tiny"}, "no such weights"),
    ("ramp", {"ramp": np.ones(LEVELS + 1)}, "shape"),
    ("ramp", {"ramp": np.ones(LEVELS, int)}, "int64"),
    ("ramp", {"ramp": np.full(LEVELS, np.nan)}, "NaN"),
]


@pytest.mark.parametrize(("name", "bad", "reason"), REFUSED)
def test_a_bad_argument_is_refused_in_one_line(name, bad, reason):
    request = {"image": photo(), "flow": flow(), "settings": SETTINGS} | bad
    with pytest.raises(ValueError, match=rf"^{name}: [^\n]*{reason}[^\n]*$") as caught:
        api.request(**request)
    assert "expected" in str(caught.value) or name == "seed"


def test_a_good_request_holds_what_was_asked():
    asked = api.request(photo(), flow(), samples=3, settings=SETTINGS, ramp=np.ones(LEVELS))
    assert (asked.keys.size, asked.settings, asked.model.name) == (3, SETTINGS, "patch")
    keep = KEPT.copy()
    keep[:, 50:] = False
    asked = api.request(photo(), flow().astype(np.float64), keep_mask=keep)
    assert asked.flow.dtype == np.float32
    np.testing.assert_array_equal(asked.flow, flow())
    np.testing.assert_array_equal(asked.keep_mask, keep)


def test_edit_refuses_what_check_refuses(monkeypatch):
    stand_in(monkeypatch)
    for bad in ({"prompt": "a cup"}, {"model": "other"}, {"samples": 0}, {"flow": 0 * flow()}):
        with pytest.raises(ValueError, match="expected"):
            mg_jax.edit(**({"image": photo(), "flow": flow(), "settings": SETTINGS} | bad))


def test_a_network_is_read_once():
    assert networks.flow_network("raft-small") is networks.flow_network("raft-small")
