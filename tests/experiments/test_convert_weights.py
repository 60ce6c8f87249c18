"""Conversion as a program: what it prints, and that it fails in one line and leaves nothing."""

import hashlib
import json

import pytest
import safetensors.numpy

from mg_jax.models.stable_diffusion import loading

from ..mg_jax.models.stable_diffusion import published
from ..mg_jax.models.stable_diffusion.published import FIRST, SECOND
from ..programs import program


def convert(**flags):
    arguments = [f"--{name}={value}" for name, value in flags.items()]
    return program("experiments.convert_weights", *arguments)


def test_a_folder_is_converted_and_loads_again(tmp_path):
    drawn = published.draw(FIRST)
    source, kept = published.folder(tmp_path / "source", FIRST, drawn), tmp_path / "out" / "kept"
    done = convert(checkpoint=source, converted=kept)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == (
        f"{source}: diffusers folder; its UNet predicts epsilon (scheduler/scheduler_config.json);"
        " its own size is 512"
    )
    count = sum(array.size for array in drawn["unet"].values())
    assert lines[1] == f"unet: {len(drawn['unet'])} arrays, {count:,} parameters"
    assert lines[4] == "left out: position numbers (1)"
    assert lines[5].startswith(f"{kept}: kept as float32, ")
    assert published.same(published.values(loading.load(kept).weights), drawn)
    assert {file.name for file in kept.iterdir()} == {"config.json", "parameters", "tokenizer"}
    origin = json.loads((kept / "config.json").read_text())["origin"]
    file = source / "unet" / "diffusion_pytorch_model.safetensors"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert origin["sha256"]["unet/diffusion_pytorch_model.safetensors"] == digest

    again = convert(checkpoint=source, converted=kept)
    assert again.returncode == 1
    assert again.stderr == f"{kept}: exists already; expected the name of a new folder\n"
    twice = convert(checkpoint=kept, converted=tmp_path / "twice")
    assert twice.stderr.startswith(f"{kept}: is converted already; expected")


@pytest.mark.long
def test_what_a_2_x_file_predicts_is_told_and_kept(tmp_path):
    drawn = published.draw(SECOND)
    source = published.single(tmp_path / "v2.safetensors", SECOND, drawn)
    done = convert(checkpoint=source, converted=tmp_path / "kept", keep_dtype="bfloat16")
    assert (done.returncode, done.stderr) == (0, "")
    told = f"{source}: original single file, 2.x; its UNet predicts v_prediction (its weights: "
    assert told in done.stdout
    assert loading.load(tmp_path / "kept").config == SECOND


def test_what_the_flags_say_is_kept(tmp_path):
    """Another prediction, a layer less, an autoencoder for a file that has none."""
    drawn, other = published.draw(FIRST), published.draw(FIRST, seed=1)
    source = tmp_path / "model.safetensors"
    arrays = published.original(FIRST, drawn)
    bare = {n: a for n, a in arrays.items() if not n.startswith("first_stage_model.")}
    safetensors.numpy.save_file(bare, source)
    vae = tmp_path / "vae.safetensors"
    safetensors.numpy.save_file(published.named(FIRST, other)["vae"], vae)
    flags = {"vae": vae, "clip_skip": 2, "prediction": "v_prediction"}
    done = convert(checkpoint=source, converted=tmp_path / "kept", **flags)
    assert (done.returncode, done.stderr) == (0, "")
    assert "predicts v_prediction (as asked for); its own size is 512" in done.stdout
    assert f"{source}: its autoencoder is {vae}" in done.stdout
    model = loading.load(tmp_path / "kept")
    assert (model.config.prediction, model.config.text.layers) == ("v_prediction", 1)
    found = published.values(model.weights)
    assert published.same({"vae": found["vae"]}, {"vae": other["vae"]})
    origin = json.loads((tmp_path / "kept" / "config.json").read_text())["origin"]
    assert origin["prediction_by"] == "as asked for"
    assert {name.rpartition("/")[2] for name in origin["sha256"]} == {source.name, vae.name}


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        ({}, "--checkpoint: none given; expected a value\n"),
        ({"checkpoint": "gone.ckpt"}, "--converted: none given; expected a value\n"),
        ({"checkpoint": "gone.ckpt", "converted": "kept"}, "gone.ckpt: no such file or folder; "),
        (
            {"checkpoint": "setup.cfg", "converted": "kept", "revision": "main"},
            "--revision: of the hub, but setup.cfg lies here; expected none\n",
        ),
        (
            {"checkpoint": "setup.cfg", "converted": "kept", "vae": "gone"},
            "--vae: gone: no such file or folder; expected a file, a folder",
        ),
        ({"keep_dtype": "int8"}, "flag --keep_dtype=int8: value should be one of"),
    ],
)
def test_wrong_flags_end_with_status_1_and_one_line(flags, line):
    done = convert(**flags)
    assert done.returncode == 1
    assert done.stderr.startswith(line)
    assert done.stderr.count("\n") == 1


def test_nothing_is_left_of_a_conversion_that_fails(tmp_path):
    source = published.folder(tmp_path / "source", FIRST, published.draw(FIRST))
    (source / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b"")
    done = convert(checkpoint=source, converted=tmp_path / "kept")
    assert done.returncode == 1
    assert done.stderr.endswith("is empty; expected weights\n")
    assert [file.name for file in tmp_path.iterdir()] == ["source"]
