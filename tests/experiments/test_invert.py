"""Inversion as a program, with a tiny Stable Diffusion: files, printed figures, one-line faults."""

import importlib.util
import re
from dataclasses import replace

import numpy as np
import pytest

from mg_jax import images, schedule, trajectory
from mg_jax.models.stable_diffusion.config import VAEConfig

from ..mg_jax.models.stable_diffusion import published
from ..programs import program

CONFIG = replace(published.FIRST, vae=VAEConfig((32,) * 4, layers=1))
PHOTO = np.random.default_rng(0).integers(0, 256, (128, 160, 3), np.uint8)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("invert")
    images.write(place / "photo.png", PHOTO)
    published.folder(place / "model", CONFIG, published.tame(CONFIG))
    return place


def invert(place, **flags):
    given = {"image": place / "photo.png", "model": place / "model", "size": 128, "steps": 2}
    arguments = [f"--{name}={value}" for name, value in (given | flags).items()]
    return program("experiments.invert", *arguments)


@pytest.mark.long
@pytest.mark.parametrize("null_text", [0, 2])
def test_a_trajectory_is_written_and_the_photo_comes_back(place, tmp_path, null_text):
    out = tmp_path / "new" / "photo.safetensors"
    done = invert(place, out=out, prompt="a cup", null_text=null_text, cfg_scale=3)
    assert done.returncode == 0
    assert done.stderr.splitlines()[0] == (
        f"note: {place / 'model'}: diffusers folder; its UNet predicts epsilon"
        " (scheduler/scheduler_config.json); its own size is 512"
    )
    found = trajectory.read(out)
    height, width = found.latents.shape[1:3]
    assert found.unconditional is None if not null_text else len(found.unconditional) == 2
    model, prompt = str(place / "model"), "a cup"
    assert found.origin == (trajectory.digest(PHOTO), model, prompt, 3.0, 128)
    trajectory.check_fits(
        "", found, PHOTO, (height, width), schedule.ddim(2), prompt, found.origin.cfg_scale
    )
    written, figures = done.stdout.splitlines()
    assert written.startswith(f"{out}: 2 levels, ")
    guided = "guided by 3" if null_text else "without guidance"
    numbers = re.fullmatch(
        rf"sampled back, {guided}: ([\d.]+) dB; the autoencoder alone: ([\d.]+) dB", figures
    )
    back, alone = map(float, numbers.groups())
    assert back == pytest.approx(alone, abs=1)


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        ({"image": "gone.png"}, "gone.png: no such file; expected a picture\n"),
        ({"model": "gone.ckpt"}, "gone.ckpt: no such file or folder; expected"),
        ({"size": 100}, "--size: 100; expected"),
        ({"steps": 0}, "--steps: 0; expected"),
        ({"out": "photo.png"}, "photo.png: unknown suffix '.png'; expected .safetensors\n"),
        ({"inversion_iterations": 0}, "--inversion_iterations: 0"),
    ],
)
def test_bad_input_is_one_line_that_names_it(place, tmp_path, flags, line):
    done = invert(place, **({"out": tmp_path / "photo.safetensors"} | flags))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(line)
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("file", ["vae/diffusion_pytorch_model.safetensors", "one.safetensors"])
def test_the_model_is_not_overwritten(place, tmp_path, file):
    (tmp_path / "vae").mkdir()
    (tmp_path / file).write_text("weights")
    model = tmp_path if file.startswith("vae") else tmp_path / file
    done = invert(place, model=model, out=tmp_path / file)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"--out={tmp_path / file}: would overwrite {tmp_path / file}, ")
    assert done.stderr.count("\n") == 1
    assert (tmp_path / file).read_text() == "weights"


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="PyTorch is installed")
def test_the_references_files_need_pytorch_and_that_is_said_at_once(place, tmp_path):
    done = invert(place, out=tmp_path / "photo.safetensors", reference_latents=tmp_path / "data")
    assert done.stderr.startswith("--reference_latents: needs PyTorch")
    assert not list(tmp_path.iterdir())
