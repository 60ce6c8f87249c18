"""The command and the cell that reproduce an edit: parsed back, they say the same, bit for bit."""

import dataclasses
import json
import shlex
import warnings

import numpy as np
import pytest
from absl import flags
from absl.testing import flagsaver

import mg_jax
from experiments import edit, motion_flags, setting_flags
from mg_jax import photos
from mg_jax.interactive import reproduction
from mg_jax.interactive.desk import Desk
from mg_jax.interactive.document import Document, Part
from mg_jax.models.patch.settings import PatchSettings

from ...mg_jax.interactive import stub
from ...mg_jax.interactive.conftest import Told, ask, opened

SEVERAL = (
    Part("click 50,60", "rotate degrees=12.3; translate dx=20.5 dy=-4"),
    Part("rectangle 100,40 130,70", ""),
    Part("polygon 95,35 135,35 130,75", "stretch x=1.25 y=0.8; scale factor=1.1 cx=100 cy=50"),
    Part("rectangle 5,5 30,110", "drag from=10,10/25,12/15,100 to=12,8/25,12/11.1,104"),
)


@pytest.fixture
def desk(tmp_path):
    made = Desk(tmp_path / "a folder", lambda _: None, edit=stub.edit)
    opened(made)
    ask(made, "select", tool="brush", how="new", points=[[60, 90], [90, 95]], radius=6)
    masked = dataclasses.replace(made.document.parts[0], motion="bend degrees=20 along=0")
    new = dataclasses.replace(made.document, parts=(*SEVERAL, masked))
    ask(made, "edit", document=new.to_json())
    yield made
    made.close()


def parsed(command):
    """Parse a command as the program does; its flow and order."""
    words = shlex.split(command)
    assert words[:3] == ["python", "-m", "experiments.edit"]
    with flagsaver.flagsaver():
        flags.FLAGS.unparse_flags()
        try:
            assert flags.FLAGS(["edit", *words[3:]]) == ["edit"]
            moved = motion_flags.read_flow(photos.read(motion_flags.image_path()))
            read = {
                name: flags.FLAGS[name].value for name in ("model", "prompt", "seed", "samples")
            }
            return moved.flow, moved.order, read, setting_flags.read()
        finally:
            flags.FLAGS.mark_as_parsed()


def test_the_command_parsed_back_gives_the_same_flow_bit_for_bit(desk):
    flow, order, read, settings = parsed(ask(desk, "take", what="command")["text"])
    asked, layers = desk.flow()
    np.testing.assert_array_equal(flow, asked)
    np.testing.assert_array_equal(order, layers)
    assert flow.dtype == asked.dtype
    assert read == {"model": "patch", "prompt": "", "seed": 0, "samples": 1}
    assert settings == PatchSettings()


def test_settings_come_back_too(desk):
    new = dataclasses.replace(desk.document, seed=7, size=256, samples=3)
    ask(desk, "edit", document=new.to_json())
    *_, read, settings = parsed(ask(desk, "take", what="command")["text"])
    assert read == {"model": "patch", "prompt": "", "seed": 7, "samples": 3}
    assert settings == PatchSettings(size=256)


def test_the_cell_gives_the_same_arguments_to_edit(desk, monkeypatch):
    new = dataclasses.replace(desk.document, seed=7, size=256)
    ask(desk, "edit", document=new.to_json())
    given = {}

    def stand_in(image, flow, **named):
        given.update(named, image=image, flow=flow)

    monkeypatch.setattr(mg_jax, "edit", stand_in)
    exec(ask(desk, "take", what="cell")["text"], {})
    asked, layers = desk.flow()
    np.testing.assert_array_equal(given["flow"], asked)
    np.testing.assert_array_equal(given["order"], layers)
    assert (given["seed"], given["settings"]) == (7, PatchSettings(size=256))
    np.testing.assert_array_equal(
        given["image"].pixels, photos.read(desk.folder / desk.document.photo).pixels
    )


def test_what_a_model_does_not_read_is_not_said(tmp_path):
    document = Document(
        "photo-0123456789abcdef.png",
        (Part("everything", "scale factor=2"),),
        "preview",
        "a",
        1,
        256,
    )
    assert reproduction.options(document) == {"model": "preview", "seed": 1}
    assert "order" in reproduction.cell(document, tmp_path)
    of_stable_diffusion = dataclasses.replace(document, model="sd.ckpt", size=512)
    assert reproduction.options(of_stable_diffusion)["prompt"] == "a"
    assert "order" not in reproduction.cell(of_stable_diffusion, tmp_path)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (Document(), "photo: none yet"),
        (Document("photo-0123456789abcdef.png", (Part("everything"),)), "motion: nothing moves"),
    ],
)
def test_without_an_edit_there_is_no_command(document, said, tmp_path):
    for make in (reproduction.command, reproduction.cell):
        with pytest.raises(ValueError, match=said):
            make(document, tmp_path)


@pytest.mark.parametrize(
    "model",
    [
        pytest.param("preview", marks=pytest.mark.long),
        pytest.param("patch", marks=pytest.mark.long),
    ],
)
def test_the_command_makes_the_studios_picture(tmp_path, model):
    """The real model, small: in the worker, and by the command in this process."""
    told = Told()
    real = Desk(tmp_path / "studio", told)
    opened(real)
    ask(real, "select", tool="rectangle", how="new", points=[[100, 40], [130, 70]])
    parts = (dataclasses.replace(real.document.parts[0], motion="translate dx=-15 dy=20"),)
    size = 256 if model == "patch" else None
    new = dataclasses.replace(real.document, parts=parts, model=model, size=size)
    ask(real, "edit", document=new.to_json())
    number = ask(real, "run")["jobs"][0]["number"]
    command = ask(real, "take", what="command", job=number)["text"]
    with flagsaver.flagsaver(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        flags.FLAGS.unparse_flags()
        flags.FLAGS(["edit", *shlex.split(command)[3:], f"--out={tmp_path / 'out'}"])
        edit.main()
        flags.FLAGS.mark_as_parsed()
    assert told.status(number, "done", "failed", timeout=300)["error"] == ""
    made = tmp_path / "studio" / "results" / str(number) / "edited.png"
    assert made.read_bytes() == (tmp_path / "out" / "edited.png").read_bytes()
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["model"] == model
    real.close()
