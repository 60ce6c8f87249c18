"""Autoencoders stored apart from their model, and checkpoints that have none."""

import json
import shutil

import numpy as np
import pytest
import safetensors.numpy

from mg_jax.models.stable_diffusion import converted, loading
from mg_jax.models.stable_diffusion.options import LoadingOptions

from . import published
from .published import FIRST

FIRST_STAGE = "first_stage_model."


@pytest.fixture(scope="module")
def drawn():
    """The parameters of a model, and of another autoencoder."""
    return published.draw(FIRST), published.draw(FIRST, seed=1)


@pytest.fixture(scope="module")
def place(tmp_path_factory, drawn):
    """The other autoencoder in every form, and models with and without one of their own."""
    place = tmp_path_factory.mktemp("vae")
    model, other = drawn
    published.folder(place / "model", FIRST, model)
    published.folder(place / "pipeline", FIRST, other)
    shutil.copytree(place / "pipeline" / "vae", place / "folder")
    published.single(place / "whole.safetensors", FIRST, other)
    original = published.original(FIRST, other)
    vae = {n: a for n, a in original.items() if n.startswith(FIRST_STAGE)}
    bare = {n.removeprefix(FIRST_STAGE): a for n, a in vae.items()}
    loss = {"loss.logvar": np.zeros((), np.float32), "model_ema.decay": np.ones((), np.float32)}
    named = published.named(FIRST, other)["vae"]
    for name, arrays in {
        "prefixed": vae,
        "bare": bare | loss,
        "diffusers": named,
        "vae-prefixed": {f"vae.{n}": a for n, a in bare.items()},
    }.items():
        safetensors.numpy.save_file(arrays, place / f"{name}.safetensors")
    arrays = published.original(FIRST, model)
    without = {n: a for n, a in arrays.items() if not n.startswith(FIRST_STAGE)}
    safetensors.numpy.save_file(without, place / "without.safetensors")
    safetensors.numpy.save_file(arrays, place / "with.safetensors")
    shutil.copytree(place / "model", place / "no-vae", ignore=lambda *_: ["vae"])
    checkpoint = loading.inspect(place / "model")
    converted.write(place / "converted", checkpoint, loading.take(checkpoint).weights)
    return place


FORMS = [
    "pipeline",
    "folder",
    "folder/diffusion_pytorch_model.safetensors",
    "whole.safetensors",
    "prefixed.safetensors",
    "bare.safetensors",
    "diffusers.safetensors",
    "vae-prefixed.safetensors",
]


def expected(drawn):
    model, other = drawn
    return model | {"vae": other["vae"]}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_an_autoencoder_is_read(place, drawn, form):
    options = LoadingOptions(vae=str(place / form))
    model = loading.load(place / "without.safetensors", options)
    assert model.config == FIRST
    assert published.same(published.values(model.weights), expected(drawn))
    assert any(line.startswith("its autoencoder is ") for line in model.origin.lines())


@pytest.mark.parametrize("model", ["with.safetensors", "model", "no-vae", "converted"])
def test_it_takes_the_place_of_any_models_own(place, drawn, model):
    found = loading.load(place / model, LoadingOptions(vae=str(place / "bare.safetensors")))
    assert found.config == FIRST
    assert published.same(published.values(found.weights), expected(drawn))


def test_a_checkpoint_without_one_says_how_to_go_on(place):
    with pytest.raises(ValueError, match=r"no autoencoder \(first_stage_model\.\*\).* by --vae$"):
        loading.load(place / "without.safetensors")


def complaint(place, vae):
    with pytest.raises(ValueError, match=r"^vae: [^\n]*") as caught:
        loading.load(place / "model", LoadingOptions(vae=str(vae)))
    return str(caught.value)


def test_what_is_no_autoencoder_is_refused(place, tmp_path):
    assert "gone.safetensors: no such file or folder" in complaint(place, "gone.safetensors")
    assert "has no config.json" in complaint(place, tmp_path)
    safetensors.numpy.save_file({"a": np.zeros(1)}, tmp_path / "a.safetensors")
    assert "holds no autoencoder" in complaint(place, tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"scaling_factor": 0.13025}, "scaling_factor is 0.13025, of another model's latents"),
        ({"latent_channels": 16}, "latent_channels is 16; expected 4"),
        ({"_class_name": "AutoencoderTiny"}, "_class_name is AutoencoderTiny"),
        ({"shift_factor": 0.1}, "shift_factor is 0.1"),
    ],
)
def test_an_autoencoder_of_another_model_is_refused(place, tmp_path, entries, words):
    folder = tmp_path / "vae"
    shutil.copytree(place / "folder", folder)
    content = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(content | entries))
    assert words in complaint(place, folder)


def test_an_autoencoder_that_lacks_arrays_is_refused_with_all_faults(place, tmp_path):
    arrays = safetensors.numpy.load_file(place / "bare.safetensors")
    del arrays["quant_conv.bias"], arrays["decoder.conv_out.bias"]
    safetensors.numpy.save_file(arrays, tmp_path / "vae.safetensors")
    for model in ("model", "converted"):
        with pytest.raises(ValueError, match="do not fit") as caught:
            loading.load(place / model, LoadingOptions(vae=str(tmp_path / "vae.safetensors")))
        assert "vae: quant_conv.bias: no array" in str(caught.value)
        assert "vae: decoder.conv_out.bias: no array" in str(caught.value)


def test_an_autoencoder_whose_size_cannot_be_told_is_refused(place, tmp_path):
    arrays = safetensors.numpy.load_file(place / "bare.safetensors")
    name = "encoder.down.1.block.0.conv2.weight"
    gone = {other: array for other, array in arrays.items() if other != name}
    safetensors.numpy.save_file(gone, tmp_path / "gone.safetensors")
    assert f"gone.safetensors: has no array {name}" in complaint(
        place, tmp_path / "gone.safetensors"
    )
    safetensors.numpy.save_file(arrays | {name: np.zeros(3)}, tmp_path / "flat.safetensors")
    assert f"flat.safetensors: {name}: shape (3,), expected 4 axes" in complaint(
        place, tmp_path / "flat.safetensors"
    )
