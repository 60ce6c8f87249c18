"""Clip skip: 2 leaves out one text layer, of any kind of checkpoint."""

import pytest

from mg_jax.models.stable_diffusion import clip_skip, converted, loading
from mg_jax.models.stable_diffusion.config import V1, V2
from mg_jax.models.stable_diffusion.options import LoadingOptions

from . import published
from .published import FIRST


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("skip")
    drawn = published.draw(FIRST)
    published.folder(place / "folder", FIRST, drawn)
    published.single(place / "single.safetensors", FIRST, drawn)
    checkpoint = loading.inspect(place / "folder")
    converted.write(place / "converted", checkpoint, loading.take(checkpoint).weights)
    return place


@pytest.mark.parametrize("kind", ["folder", "single.safetensors", "converted"])
def test_the_last_layer_is_left_out(place, kind):
    model = loading.load(place / kind, LoadingOptions(clip_skip=2))
    whole = published.values(loading.load(place / kind).weights)
    kept = {path: array for path, array in whole["text"].items() if ".layers.1." not in path}
    assert len(kept) == len(whole["text"]) - 16
    assert published.same(published.values(model.weights), whole | {"text": kept})
    assert model.config.text.layers == FIRST.text.layers - 1
    assert "clip skip 2: 1 of 2 text layers are used" in model.origin.lines()


@pytest.mark.parametrize("config", [V1, V2])
@pytest.mark.parametrize("skip", [1, 2, 3])
def test_layers_are_counted_from_the_models_usual_last(config, skip):
    found, notes = clip_skip.applied(config, skip)
    assert found.text.layers == config.text.layers - skip + 1
    assert len(notes) == (skip > 1)


@pytest.mark.parametrize("kind", ["folder", "single.safetensors", "converted"])
def test_a_layer_must_be_left(place, kind):
    with pytest.raises(ValueError, match=r"^clip_skip: 3 of 2 text layers; expected 1 to 2$"):
        loading.load(place / kind, LoadingOptions(clip_skip=3))


@pytest.mark.parametrize("skip", [0, -1])
def test_a_number_that_is_none_is_refused(skip):
    with pytest.raises(ValueError, match=f"^clip_skip: {skip}; expected 1"):
        LoadingOptions(clip_skip=skip)


def test_what_was_converted_with_it_is_shorter(place, tmp_path):
    checkpoint = loading.inspect(place / "folder", options=LoadingOptions(clip_skip=2))
    converted.write(tmp_path / "kept", checkpoint, loading.take(checkpoint).weights)
    model = loading.load(tmp_path / "kept")
    assert model.config.text.layers == 1
    assert "clip skip 2: 1 of 2 text layers are used" in model.origin.lines()
