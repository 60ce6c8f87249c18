"""The edit command: good inputs, odd ones, and bad ones, which leave nothing behind."""

import dataclasses
import hashlib
import json
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from absl import flags
from absl.testing import flagsaver
from PIL import Image, ImageCms

import mg_jax
from experiments import command, edit, motion_flags
from flows import files, motions, tensors, video
from mg_jax import api, images, metrics, photos, reference, result
from mg_jax.interfaces import ModelResult
from mg_jax.models.patch import coarse_to_fine

from ..mg_jax.models.stable_diffusion import published

H, W = 128, 192
SMALL = ("--size=256", "--steps=4", "--recursions=1")
MOTION = "--motion=translate dx=30 dy=2"
OUTPUTS = {*result.FILES, "config.json"}
KEYS = {
    "flow_l1_px",
    "flow_epe_moved_px",
    "judged_moved",
    "color_l1",
    "color_l1_moved",
    "background_l1",
    "kept_l1",
    "seconds",
    "seconds_compile",
    "peak_memory_bytes",
    "model",
    "flow_model",
}


@pytest.fixture
def work(tmp_path):
    """A folder with the shipped photo, its mask and a flow, small."""
    photo = images.resize(images.read(motion_flags.IMAGE), H, W)
    mask = images.read_mask(motion_flags.MASK).astype(np.uint8)[..., None]
    mask = images.resize(255 * mask, H, W)[..., 0] > 127
    images.write(tmp_path / "photo.png", photo)
    Image.fromarray(mask).save(tmp_path / "mask.png")
    files.write(tmp_path / "flow.npz", motions.field(motions.parse("translate dx=20"), mask))
    return tmp_path


@pytest.fixture
def stand_in(monkeypatch):
    """Put the photo itself in the sampler's place."""

    def edit(image, _motion, region, _raft, keys, _settings, _ramp, _energy, _mesh, _apart):
        yield from ()
        return ModelResult(
            np.stack([image] * keys.size), region, np.zeros((keys.size, 0, 0, 0), np.float32)
        )

    monkeypatch.setattr(coarse_to_fine, "edit", edit)


def call(*arguments):
    """Run the command in this process; its exit status."""
    with flagsaver.flagsaver():
        flags.FLAGS.unparse_flags()
        try:
            command.attempt(edit.main, command.parse(["edit", *map(str, arguments)]))
        except SystemExit as left:
            return left.code
        finally:
            flags.FLAGS.mark_as_parsed()
    return 0


def moved(work, image="photo.png", mask="mask.png"):
    return (f"--image={work / image}", f"--object_mask={work / mask}", MOTION)


def test_a_whole_run(work, capsys):
    out = work / "deep" / "out"
    schedule = np.linspace(1, 0.5, 4)
    np.save(work / "ramp.npy", schedule)
    assert (
        call(
            *SMALL,
            *moved(work),
            f"--out={out}",
            "--samples=2",
            "--seed=3",
            f"--guidance_schedule={work / 'ramp.npy'}",
        )
        == 0
    )
    said = capsys.readouterr()
    assert said.out.count("\n") == 1
    assert str(out / "edited.png") in said.out
    assert said.err.count("\n") == said.err.count("note:")  # some of the cup leaves the picture
    assert {path.name for path in out.iterdir()} == OUTPUTS | {"edited_1.png"}

    photo = images.read(work / "photo.png")
    edited = [images.read(out / name) for name in ("edited.png", "edited_1.png")]
    assert edited[0].shape == photo.shape
    assert edited[1].shape == photo.shape
    scores = json.loads((out / "metrics.json").read_text())
    assert set(scores) >= KEYS
    assert scores["kept_l1"] == 0
    # So few levels bring it on its way, no farther.
    assert scores["flow_epe_moved_px"] < 0.9 * np.hypot(30, 2)
    assert (scores["model"], scores["flow_model"]) == ("patch", "raft-small")
    assert scores["samples"][0]["color_l1"] == scores["color_l1"]

    with np.load(out / "history.npz") as history:
        assert {
            *("level", "recursion", "energy", "guidance_norm", "terms.flow", "terms.color")
        } == set(history)
        levels = history["level"].tolist()
        assert levels == [0, 1, 2, 3]
        assert history["energy"].shape == (len(levels), 2)
        assert (history["energy"][:, 0] != history["energy"][:, 1]).any()  # another noise
    assert (mg_jax.Result.load(out).images == edited).all()
    config = json.loads((out / "config.json").read_text())
    assert config["flags"]["seed"] == 3
    assert config["flags"]["samples"] == 2
    assert set(config["flags"]) >= {"image", "motion", "prompt", "model", "flow_model", "clip"}
    assert config["settings"]["steps"] == 4
    assert set(config["settings"]) == {f.name for f in dataclasses.fields(mg_jax.PatchSettings)}
    assert set(config["versions"]) >= {"python", "jax", "jaxlib", "flax", "numpy", "mg_jax"}
    digest = hashlib.sha256((work / "photo.png").read_bytes()).hexdigest()
    assert config["inputs"][str(work / "photo.png")] == digest
    assert str(work / "ramp.npy") in config["inputs"]


def test_a_preview_is_the_motion_carried_out_at_once(work):
    out = work / "out"
    assert call(*moved(work), "--model=preview", f"--out={out}") == 0
    assert {path.name for path in out.iterdir()} == OUTPUTS
    photo = images.read(work / "photo.png")
    mask = np.asarray(Image.open(work / "mask.png"))
    flow = motions.field(motions.parse("translate dx=30 dy=2"), mask)
    order = mask.astype(np.int32)
    shown = mg_jax.preview(photo, flow, order)
    np.testing.assert_array_equal(images.read(out / "edited.png"), shown)
    assert json.loads((out / "metrics.json").read_text())["model"] == "preview"


@pytest.mark.long
def test_a_large_turned_photo_comes_back_at_full_size(work, monkeypatch):
    # Stored on its side, with a note to turn it.
    large = images.resize(images.read(motion_flags.IMAGE), 1200, 1800)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    Image.fromarray(np.rot90(large)).save(work / "large.jpg", exif=exif, quality=95)
    mask = np.asarray(Image.open(work / "mask.png").resize((1800, 1200)))
    Image.fromarray(mask).save(work / "large_mask.png")
    monkeypatch.setattr(metrics, "LARGEST_AREA", H * W)  # a small judge will do
    out = work / "out"
    status = call(
        *SMALL,
        f"--image={work / 'large.jpg'}",
        f"--object_mask={work / 'large_mask.png'}",
        "--motion=translate dx=280 dy=20",
        f"--out={out}",
    )
    assert status == 0
    edited, photo = images.read(out / "edited.png"), images.read(work / "large.jpg")
    assert edited.shape == photo.shape == (1200, 1800, 3)
    kept = (edited == photo).all(axis=-1)
    assert kept[:, :50].all()
    assert 0.1 < kept.mean() < 0.9
    scores = json.loads((out / "metrics.json").read_text())
    assert scores["kept_l1"] == 0
    assert scores["flow_epe_moved_px"] < 0.6 * np.hypot(280, 20)


def saved(work, kind):
    photo = Image.open(work / "photo.png")
    path = work / f"{kind}.png"
    if kind == "transparent":
        photo.putalpha(128)
    elif kind == "grey":
        photo = photo.convert("L")
    elif kind == "sixteen":
        photo = Image.fromarray(np.asarray(photo.convert("L")).astype(np.uint16) * 257)
    elif kind == "palette":
        photo = photo.quantize(64)
    photo.save(path)
    return path


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize("kind", ["transparent", "grey", "sixteen", "palette"])
def test_odd_pictures_are_edited(work, kind):
    path = saved(work, kind)
    assert call(*SMALL, *moved(work, path.name), f"--out={work / 'out'}") == 0
    np.testing.assert_array_equal(images.read(work / "out/edited.png"), images.read(path))
    assert {path.name for path in (work / "out").iterdir()} == OUTPUTS


@pytest.mark.usefixtures("stand_in")
def test_what_is_not_edited_keeps_profile_exif_depth_opacity_and_every_bit(work):
    pixels = np.random.default_rng(0).integers(0, 65536, (H, W, 4), dtype=np.uint16)
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    images.write(work / "deep.png", pixels, exif=exif.tobytes())
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.open(work / "photo.png").save(work / "tagged.jpg", icc_profile=profile, exif=exif)
    for name in ("deep.png", "tagged.jpg"):
        assert call(*SMALL, *moved(work, name), f"--out={work / 'out'}") == 0
        before, after = photos.read(work / name), photos.read(work / "out/edited.png")
        np.testing.assert_array_equal(after.pixels, before.pixels)
        assert after.original.exif == before.original.exif == exif.tobytes()
        back = mg_jax.Result.load(work / "out")
        np.testing.assert_array_equal(back.images[0], before.pixels)
        assert back.original.exif == exif.tobytes()
        back.save(work / "again")
        content = (work / "out/edited.png").read_bytes()
        assert (work / "again/edited.png").read_bytes() == content
        if name == "deep.png":
            outside = ~back.region
            np.testing.assert_array_equal(after.original.pixels[outside], pixels[outside])
        else:
            assert after.original.profile == profile


@pytest.mark.usefixtures("stand_in")
def test_a_flow_of_the_whole_frame_a_mask_and_half_the_size(work, capsys):
    files.write(work / "pan.flo", np.full((H // 2, W // 2, 2), (9, -2), np.float32))
    given = (f"--image={work / 'photo.png'}", f"--flow={work / 'pan.flo'}")
    masks = (f"--object_mask={work / 'mask.png'}", "--flow_is=backward")
    assert call(*SMALL, *given, *masks, f"--out={work / 'out'}") == 0
    flow = mg_jax.Result.load(work / "out").flow
    mask = images.read_mask(work / "mask.png")
    assert not flow[~mask].any()
    np.testing.assert_allclose(flow[mask & (np.arange(W) < W - 20)].mean(axis=0), (-18, 4), atol=1)
    said = capsys.readouterr().err
    for note in ("selects ", "resized to", "backward", "lies outside the mask"):
        assert note in said
    assert said.count("\n") == said.count("note: ")
    config = json.loads((work / "out/config.json").read_text())
    assert set(config["inputs"]) == {str(work / n) for n in ("photo.png", "pan.flo", "mask.png")}


@pytest.mark.usefixtures("stand_in")
def test_a_label_of_a_mask_and_a_file_named_like_words(work, monkeypatch):
    monkeypatch.chdir(work)
    labels = np.where(images.read_mask("mask.png"), 7, 3).astype(np.uint8)
    Image.fromarray(labels).save("polygon mask.png")
    given = ("--image=photo.png", "--object_mask=polygon mask.png#7", MOTION)
    assert call(*SMALL, *given, "--out=out") == 0
    assert set(json.loads((work / "out/config.json").read_text())["inputs"]) == {
        "photo.png",
        "polygon mask.png",
    }
    moving = mg_jax.Result.load("out").flow.any(axis=-1)
    np.testing.assert_array_equal(moving, labels == 7)


@pytest.mark.usefixtures("stand_in")
def test_a_flow_file_a_keep_mask_and_a_folder_that_is_there(work):
    (work / "out").mkdir()
    mine = {"mine.txt", "edited_2_mine.png", "edited_1.png.txt"}
    for name in mine:
        (work / "out" / name).write_text("stays")
    arguments = (f"--image={work / 'photo.png'}", f"--flow={work / 'flow.npz'}")
    keep = f"--keep_mask={work / 'mask.png'}"
    for samples in ("--samples=3", "--samples=1"):  # the second run replaces the first one's files
        assert call(*SMALL, *arguments, keep, samples, f"--out={work / 'out'}") == 0
    assert {path.name for path in (work / "out").iterdir()} == OUTPUTS | mine
    config = json.loads((work / "out/config.json").read_text())
    assert set(config["inputs"]) == {str(work / n) for n in ("photo.png", "flow.npz", "mask.png")}


@pytest.mark.usefixtures("stand_in")
def test_several_objects_in_words_and_files_each_with_its_motion(work, monkeypatch):
    edits = []
    whole = api.run
    monkeypatch.setattr(
        api, "run", lambda request, **saving: edits.append(request) or whole(request, **saving)
    )
    words = "rectangle 2,3 12,15"
    pairs = (f"--object_mask={work / 'mask.png'}", MOTION)
    pairs += (f"--object_mask={words}", "--motion=bend degrees=20 along=0")
    keep = "--keep_mask=polygon 150,90 190,90 190,127 150,127"
    status = call(*SMALL, f"--image={work / 'photo.png'}", *pairs, keep, f"--out={work / 'out'}")
    assert status == 0
    (request,) = edits
    flow, box = request.flow, np.zeros((H, W), bool)
    box[3:16, 2:13] = True
    np.testing.assert_array_equal(
        flow[box], motions.field(motions.parse("bend degrees=20 along=0"), box)[box]
    )
    mask = images.read_mask(work / "mask.png") & ~box
    assert (flow[mask] == [30, 2]).all()
    assert not flow[~(mask | box)].any()
    assert request.keep_mask[100, 170]
    assert not request.keep_mask[50, 50]
    config = json.loads((work / "out/config.json").read_text())
    assert config["flags"]["object_mask"] == [str(work / "mask.png"), words]
    assert set(config["inputs"]) == {str(work / n) for n in ("photo.png", "mask.png")}


@pytest.fixture
def directory(work, monkeypatch):
    """Write the reference's data directory; tensors as numpy's, so that no PyTorch is needed."""
    monkeypatch.setattr(tensors, "read", np.load)
    monkeypatch.setattr(tensors, "write", lambda stream, _, array: np.save(stream, array))
    photo, flow = images.read(work / "photo.png"), files.read(work / "flow.npz")

    def write(**changed):
        inputs = reference.Inputs(photo, flow, None, None, None, None)._replace(**changed)
        reference.write(work / "data", inputs, "right")
        return work / "data"

    return write


@pytest.mark.usefixtures("stand_in")
def test_the_mask_of_a_reference_directory_keeps_its_pixels(work, directory, monkeypatch):
    edits = []
    whole = api.run
    monkeypatch.setattr(
        api, "run", lambda request, **saving: edits.append(request) or whole(request, **saving)
    )
    keep = np.zeros((H // 8, W // 8, 4), bool)
    keep[:3] = True
    keep[3, :, :2] = True  # half of the channels: not kept
    for mask in (None, keep):
        folder = directory(keep=mask)
        assert call(*SMALL, f"--reference_dir={folder}", f"--out={work / 'out'}") == 0
    without, with_mask = (request.keep_mask for request in edits)
    assert without is None
    assert with_mask[:24].all()
    assert not with_mask[24:].any()


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (
            {"image": np.zeros((8, W, 3), np.uint8), "flow": np.ones((8, W, 2), np.float32)},
            "pred.png: 192x8 pixels; expected at least 16 a side",
        ),
        ({"flow": np.zeros((H, W, 2), np.float32)}, "flows/right.pth: zero everywhere"),
        ({"keep": np.ones((H // 8, W // 8, 1), bool)}, "flows/right.mask.pth: covers everything"),
    ],
    ids=lambda changed: "-".join(changed) if isinstance(changed, dict) else "",
)
def test_what_is_wrong_in_a_reference_directory_is_named(work, directory, capsys, changed, says):
    folder = directory(**changed)
    assert call(*SMALL, f"--reference_dir={folder}", f"--out={work / 'out'}") == 1
    said = capsys.readouterr().err
    assert said.startswith(f"{folder}/{says}")
    assert said.count("\n") == 1
    assert not (work / "out").exists()


@pytest.mark.usefixtures("stand_in")
def test_noise_beside_a_reference_directory_is_refused_by_the_patch_model(work, directory, capsys):
    noise = np.zeros((4, 3, 1, 2, 2, 4), np.float32)
    np.save(work / "noise.npy", noise)
    given = (f"--reference_dir={directory()}", f"--noise={work / 'noise.npy'}")
    assert call(*SMALL, *given, f"--out={work / 'out'}") == 1
    assert capsys.readouterr().err == "--noise: not for the model patch; expected none\n"


@pytest.mark.usefixtures("stand_in")
def test_a_run_that_breaks_does_not_look_done(work, monkeypatch):
    out = work / "out"
    out.mkdir()
    (out / "metrics.json").write_text("{}")  # of an earlier run

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(images, "write", full)
    assert call(*SMALL, *moved(work), f"--out={out}") == 1
    assert {path.name for path in out.iterdir()} == {"config.json"}


@pytest.mark.long
def test_stable_diffusion_from_a_folder(work):
    drawn = published.draw(published.FIRST)
    small = {
        network: {path: array * np.float32(0.05) for path, array in arrays.items()}
        for network, arrays in drawn.items()
    }
    (work / "model").mkdir()
    folder = published.folder(work / "model", published.FIRST, small)
    out = work / "out"
    sizes = ("--size=128", "--steps=2", "--recursions=1", "--cfg_scale=3", "--source=noised")
    given = (*moved(work), f"--model={folder}", "--prompt=a cup", f"--out={out}")
    assert call(*sizes, *given) == 0
    assert {path.name for path in out.iterdir()} == OUTPUTS
    scores = json.loads((out / "metrics.json").read_text())
    assert scores["kept_l1"] == 0
    assert scores["model"] == str(folder)
    config = json.loads((out / "config.json").read_text())
    assert config["model"]["prediction"] == "epsilon"
    assert config["model"]["prediction_by"] == "scheduler/scheduler_config.json"
    assert config["flags"]["clip_skip"] is None
    settings = config["settings"]
    assert (settings["steps"], settings["cfg_scale"], settings["clip"]) == (2, 3, 200)
    photo, edited = images.read(work / "photo.png"), images.read(out / "edited.png")
    assert edited.shape == photo.shape
    assert (edited != photo).any()


@pytest.mark.usefixtures("stand_in")
def test_without_flags_the_shipped_photo_is_edited(work, monkeypatch):
    monkeypatch.setattr(metrics, "LARGEST_AREA", H * W)
    assert call(f"--out={work / 'out'}") == 0
    edited = images.read(work / "out/edited.png")
    np.testing.assert_array_equal(edited, images.read(motion_flags.IMAGE))
    inputs = json.loads((work / "out/config.json").read_text())["inputs"]
    assert set(inputs) == {str(motion_flags.IMAGE), str(motion_flags.MASK)}


@pytest.mark.usefixtures("stand_in")
def test_a_motion_out_of_the_picture_is_noted(work, capsys):
    arguments = moved(work)[:2]
    assert call(*SMALL, *arguments, "--motion=translate dx=100", f"--out={work / 'out'}") == 0
    assert "% of the moved pixels leave the picture\n" in capsys.readouterr().err


@pytest.mark.usefixtures("stand_in")
def test_a_mask_over_the_motion_is_noted(work, capsys):
    for name, note in (("mask.png", True), ("corner.png", False)):
        corner = np.zeros((H, W), bool)
        corner[:9, :9] = True
        Image.fromarray(corner).save(work / "corner.png")
        keep = f"--keep_mask={work / name}"
        arguments = (f"--image={work / 'photo.png'}", f"--flow={work / 'flow.npz'}", keep)
        assert call(*SMALL, *arguments, f"--out={work / 'out'}") == 0
        assert ("of where the motion is stays, by the mask\n" in capsys.readouterr().err) == note


@pytest.mark.usefixtures("stand_in")
def test_the_least_that_leaves_the_picture_is_not_said_to_be_nothing(work, capsys):
    field = np.zeros((H, W, 2), np.float32)
    field[20:40, 20:40] = field[20, -1] = (9, 0)
    files.write(work / "flow.npz", field)
    arguments = (f"--image={work / 'photo.png'}", f"--flow={work / 'flow.npz'}")
    assert call(*SMALL, *arguments, f"--out={work / 'out'}") == 0
    noted = "note: less than 1% of the moved pixels leave the picture\n"
    assert noted in capsys.readouterr().err


def spoil(work):
    """Broken inputs by name."""
    field = files.read(work / "flow.npz")
    content = (work / "photo.png").read_bytes()
    (work / "cut.png").write_bytes(content[: len(content) // 2])
    (work / "text.png").write_text("a cup on a table")
    (work / "edited_3.png").write_bytes(content)
    (work / "weights.safetensors").write_bytes(b"\x08" + bytes(40))
    mask = np.asarray(Image.open(work / "mask.png"))
    for name, selection in (
        ("none", mask & False),
        ("all", mask | True),
        ("small_mask", mask[:50, :50]),
    ):
        Image.fromarray(selection).save(work / f"{name}.png")
    nan, infinite = field.copy(), field.copy()
    nan[10:], infinite[:, 20:] = np.nan, np.inf
    flows = {
        "size": field[:-2],
        "whole": field.astype(np.int32),
        "flat": field[..., 0],
        "nan": nan,
        "infinite": infinite,
        "zero": np.zeros_like(field),
        "gone": np.where(field != 0, np.float32(5000), 0),
    }
    for name, array in flows.items():
        np.savez(work / f"{name}.npz", flow=array)
    np.savez(work / "key.npz", other=field)
    ramps = {
        "long": np.ones(7),
        "counts": np.ones(4, int),
        "wild": np.full(4, np.nan),
        "against": np.array([1.0, 1, 1, -1]),
    }
    for name, ramp in ramps.items():
        np.save(work / f"{name}.npy", ramp)
    np.save(work / "wild_noise.npy", np.full((4, 3, 1, 2, 2, 4), np.nan, np.float32))


PHOTO, MASK, FLOW = "--image={}/photo.png", "--object_mask={}/mask.png", "--flow={}/flow.npz"
REFUSED = [
    # what the line begins with, what it says, the flags
    ("{}/missing.png", "no such file", ("--image={}/missing.png", MASK, MOTION)),
    ("{}/cut.png", "cut short", ("--image={}/cut.png", MASK, MOTION)),
    ("{}/text.png", "is no picture", ("--image={}/text.png", MASK, MOTION)),
    ("{}/missing.npz", "no such file", (PHOTO, "--flow={}/missing.npz")),
    ("{}/size.npz", "192x126 pixels; expected 192x128", (PHOTO, "--flow={}/size.npz")),
    ("{}/whole.npz", "int32", (PHOTO, "--flow={}/whole.npz")),
    ("{}/flat.npz", "shape", (PHOTO, "--flow={}/flat.npz")),
    ("{}/nan.npz", "92% of its pixels are unknown", (PHOTO, "--flow={}/nan.npz")),
    ("{}/infinite.npz", "90% of its pixels are unknown", (PHOTO, "--flow={}/infinite.npz")),
    ("{}/zero.npz", "zero everywhere", (PHOTO, "--flow={}/zero.npz")),
    ("{}/gone.npz", "out of the picture", (PHOTO, "--flow={}/gone.npz")),
    ("{}/key.npz", "has no key 'flow'", (PHOTO, "--flow={}/key.npz")),
    ("{}/flow.txt", "unknown suffix", (PHOTO, "--flow={}/flow.txt")),
    ("{}/photo.png", "expected", (PHOTO, "--flow={}/photo.png")),
    ("--motion", "zero everywhere", (PHOTO, MASK, "--motion=translate dx=0")),
    ("--motion", "out of the picture", (PHOTO, MASK, "--motion=translate dx=999")),
    ("motion 'fly dx=3'", "unknown motion 'fly'", (PHOTO, MASK, "--motion=fly dx=3")),
    ("--flow, --motion", "both given", (PHOTO, FLOW, MOTION)),
    ("--flow, --motion", "none given", (PHOTO, MASK)),
    ("--object_mask", "none given", (PHOTO, MOTION)),
    ("--flow_is", "no --flow", (PHOTO, MASK, MOTION, "--flow_is=backward")),
    ("flag --flow_is=sideways", "backward", (PHOTO, FLOW, "--flow_is=sideways")),
    ("--flow_is", "--reference_dir", ("--reference_dir={}", "--flow_is=backward")),
    ("{}/none.png", "selects nothing", (PHOTO, FLOW, "--object_mask={}/none.png")),
    ("--object_mask", "given 2 times, --motion 1 times", (PHOTO, MASK, MASK, MOTION)),
    ("--object_mask", "given 1 times, --motion 2 times", (PHOTO, MASK, MOTION, MOTION)),
    ("--object_mask", "given 1 times, --motion 2 times", (MOTION, MOTION)),
    ("motion", "after mask 1 cover it whole", (PHOTO, MASK, MASK, MOTION, MOTION)),
    ("selection 'click 192,5'", "outside", (PHOTO, "--object_mask=click 192,5", MOTION)),
    ("selection 'circle 9,9 5,5'", "click", (PHOTO, "--object_mask=circle 9,9 5,5", MOTION)),
    ("selection 'click 3'", "no point", (PHOTO, FLOW, "--keep_mask=click 3")),
    ("motion 'bend'", "runs into itself", (PHOTO, MASK, "--motion=bend degrees=350 along=90")),
    ("{}/none.png", "selects nothing", (PHOTO, "--object_mask={}/none.png", MOTION)),
    ("{}/small_mask.png", "50x50", (PHOTO, "--object_mask={}/small_mask.png", MOTION)),
    ("{}/none.png", "selects nothing", (PHOTO, FLOW, "--keep_mask={}/none.png")),
    ("--keep_mask", "covers everything", (PHOTO, FLOW, "--keep_mask={}/all.png")),
    ("--keep_mask", "covers everything", (PHOTO, FLOW, "--keep_mask=everything")),
    ("{}/small_mask.png", "50x50", (PHOTO, FLOW, "--keep_mask={}/small_mask.png")),
    ("--out={}/photo.png/out", "expected a writable", (PHOTO, FLOW, "--out={}/photo.png/out")),
    ("--out={}/photo.png", "expected a writable", (PHOTO, FLOW, "--out={}/photo.png")),
    ("--out={}", "overwrite {}/edited_3.png", ("--image={}/edited_3.png", FLOW, "--out={}")),
    ("--model", "external: no such file or folder", (PHOTO, FLOW, "--model=external")),
    ("--model: {}/photo.png", "expected", (PHOTO, FLOW, "--model={}/photo.png")),
    ("--model: {}: has no", "model_index.json", (PHOTO, FLOW, "--model={}")),
    ("--model: no/such", "hub", (PHOTO, FLOW, "--model=no/such")),
    ("--prediction", "model patch", (PHOTO, FLOW, "--prediction=epsilon")),
    ("flag --prediction=x0", "epsilon", (PHOTO, FLOW, "--model={}", "--prediction=x0")),
    ("--vae", "not for the model preview", (PHOTO, FLOW, "--model=preview", "--vae=x")),
    ("--vae: {}/gone", "no such file", (PHOTO, FLOW, "--model={}", "--vae={}/gone")),
    ("--clip_skip", "0; expected 1", (PHOTO, FLOW, "--model={}", "--clip_skip=0")),
    ("--variant", "a file; expected none", (PHOTO, FLOW, "--model={}/photo.png", "--variant=fp16")),
    ("--revision", "lies here; expected none", (PHOTO, FLOW, "--model={}", "--revision=main")),
    ("--steps", "1000", (PHOTO, FLOW, "--model={}", "--steps=1000")),
    ("--dtype", "not for the model patch", (PHOTO, FLOW, "--dtype=bfloat16")),
    ("--size", "not for the model preview", (PHOTO, FLOW, "--model=preview")),
    ("--trajectory", "not for the model", (PHOTO, FLOW, "--trajectory=x.safetensors")),
    ("--null_text", "not for the model patch", (PHOTO, FLOW, "--null_text=3")),
    ("{}/absent: no such folder", "pred.png", ("--reference_dir={}/absent",)),
    ("--image", "with --reference_dir", (PHOTO, "--reference_dir={}")),
    ("{}/absent.npy", "expected noise", (PHOTO, FLOW, "--model=no/such", "--noise={}/absent.npy")),
    ("{}/wild.npy", "expected float32", (PHOTO, FLOW, "--model=no/such", "--noise={}/wild.npy")),
    ("{}/wild_noise.npy", "NaN", (PHOTO, FLOW, "--model=no/such", "--noise={}/wild_noise.npy")),
    ("--noise", "not for the model", (PHOTO, FLOW, "--noise={}/wild.npy")),
    ("--null_text", "noised", (PHOTO, FLOW, "--model=no/such", "--source=noised", "--null_text=3")),
    (
        "--inversion_iterations",
        "--trajectory",
        (PHOTO, FLOW, "--model=no/such", "--inversion_iterations=2", "--trajectory=x.safetensors"),
    ),
    ("--prompt", "reads none", (PHOTO, FLOW, "--prompt=a cup")),
    ("--cfg_scale", "not for the model patch", (PHOTO, FLOW, "--cfg_scale=7.5")),
    ("{}/weights.safetensors", "safetensors", (PHOTO, FLOW, "--flow_model={}/weights.safetensors")),
    ("{}/mask.png", "unknown kind of weights", (PHOTO, FLOW, "--flow_model={}/mask.png")),
    ("raft-tiny", "no such weights", (PHOTO, FLOW, "--flow_model=raft-tiny")),
    ("{}/absent.npy", "no such file", (PHOTO, FLOW, "--guidance_schedule={}/absent.npy")),
    ("{}/against.npy", "-1; expected values", (PHOTO, FLOW, "--guidance_schedule={}/against.npy")),
    ("{}/text.png", "not a readable", (PHOTO, FLOW, "--guidance_schedule={}/text.png")),
    ("{}/long.npy", "(7,)", (PHOTO, FLOW, "--guidance_schedule={}/long.npy")),
    ("{}/counts.npy", "int64", (PHOTO, FLOW, "--guidance_schedule={}/counts.npy")),
    ("{}/wild.npy", "NaN", (PHOTO, FLOW, "--guidance_schedule={}/wild.npy")),
    ("--size", "300", (PHOTO, FLOW, "--size=300")),
    ("--steps", "3", (PHOTO, FLOW, "--steps=3")),
    ("--recursions", "0", (PHOTO, FLOW, "--recursions=0")),
    ("--samples", "0", (PHOTO, FLOW, "--samples=0")),
    ("--clip", "-1", (PHOTO, FLOW, "--clip=-1")),
    ("--guidance_weight", "nan", (PHOTO, FLOW, "--guidance_weight=nan")),
    ("--color_weight", "inf", (PHOTO, FLOW, "--color_weight=inf")),
    ("--flow_weight", "-2", (PHOTO, FLOW, "--flow_weight=-2")),
    ("--seed", "4294967296", (PHOTO, FLOW, "--seed=4294967296")),
    ("flag --seed=-1", "non-negative", (PHOTO, FLOW, "--seed=-1")),
    ("flag --seed=abc", "abc", (PHOTO, FLOW, "--seed=abc")),
    ("flag --clip=big", "big", (PHOTO, FLOW, "--clip=big")),
    ("Unknown command line flag 'sead'", "seed", (PHOTO, FLOW, "--sead=1")),
    ("photo.png", "not a flag", (FLOW, "photo.png")),
]


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize(
    ("begins", "says", "arguments"), REFUSED, ids=lambda part: part if isinstance(part, str) else ""
)
def test_bad_input_is_one_line_and_leaves_nothing(work, capsys, begins, says, arguments):
    spoil(work)
    before = {path: path.stat().st_mtime_ns for path in work.rglob("*")}
    arguments = [argument.replace("{}", str(work)) for argument in arguments]
    assert call(*SMALL, f"--out={work / 'out'}", *arguments) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.endswith("\n")
    assert said.err.count("\n") == 1
    assert said.err.startswith(begins.replace("{}", str(work)))
    assert says.replace("{}", str(work)) in said.err
    assert {path: path.stat().st_mtime_ns for path in work.rglob("*")} == before


@pytest.mark.usefixtures("stand_in")
def test_a_film_is_written_beside_the_edit(work, capsys):
    path = work / "films" / "film.webp"
    assert call(*moved(work), f"--out={work / 'out'}", f"--film={path}", "--frames=3") == 0
    with Image.open(path) as film:
        assert (film.n_frames, film.size) == (3, (W, H))
        film.seek(2)
        last = np.array(film.convert("RGB"), float)
    moved_by = mg_jax.preview(work / "photo.png", "translate dx=30 dy=2", mask=work / "mask.png")
    assert np.abs(last - moved_by).mean() < 6  # quality 90
    assert capsys.readouterr().out.count("\n") == 1


@pytest.mark.usefixtures("stand_in")
def test_the_edits_own_model_films_on_request(work):
    path = work / "film.mp4"
    arguments = (f"--film={path}", "--frames=2", "--film_model=same")
    assert call(*moved(work), *SMALL, f"--out={work / 'out'}", *arguments) == 0
    last = video.frame(path, 1.0).picture.astype(float)
    assert np.abs(last - images.read(work / "photo.png")).mean() < 6  # the stand-in's picture


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--film=f.mov"], "f.mov: unknown suffix '.mov'; expected one of"),
        (["--film=f.gif", "--frames=1"], "--frames: 1; expected 2 to 1000"),
        (["--frames=9"], "--frames: of a film, but no --film is given"),
        (["--film_model=same"], "--film_model: of a film, but no --film is given"),
        (["--film=photo.png/f.gif"], "--film: "),
    ],
)
def test_a_film_that_cannot_be_is_refused_first(work, capsys, arguments, says):
    out = work / "out"
    placed = [one.replace("--film=", f"--film={work}/") for one in arguments]
    assert call(*moved(work), f"--out={out}", *placed) == 1
    assert says in capsys.readouterr().err
    assert not out.exists()


WITHOUT_SAMPLER = """
import numpy as np
from experiments import command, edit, motion_flags
from mg_jax.interfaces import ModelResult
from mg_jax.models.patch import coarse_to_fine
def photo(image, _motion, region, _raft, keys, _settings, _ramp, _energy, _mesh, _apart):
    yield from ()
    latents = np.zeros((keys.size, 0, 0, 0), np.float32)
    return ModelResult(np.stack([image] * keys.size), region, latents)
coarse_to_fine.edit = photo
command.run(edit.main)
"""


def process(work, *start):
    arguments = [*start, *moved(work), *SMALL, f"--out={work / 'out'}"]
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True)


def test_a_process_says_one_line_and_ends_well(work):
    done = process(work, "-c", WITHOUT_SAMPLER)
    assert done.returncode == 0
    assert done.stdout.startswith(f"{work / 'out' / 'edited.png'}: ")
    assert {line[:5] for line in done.stderr.splitlines()} == {"note:"}
    assert {path.name for path in (work / "out").iterdir()} == OUTPUTS


@pytest.mark.long
def test_two_processes_write_their_own_samples(work):
    flags_ = ("--distributed", f"--coordinator=localhost:{free_port()}", "--processes=2")

    def one(number):
        start = ("-c", WITHOUT_SAMPLER, *flags_, f"--process={number}")
        return process(work, *start, "--samples=3", "--seed=5")

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(one, range(2)))
    assert [each.returncode for each in done] == [0, 0], done
    found = [mg_jax.Result.load(work / "out" / f"process_{i}") for i in range(2)]
    assert [(result.seed, len(result.images)) for result in found] == [(5, 1), (6, 2)]
    assert [part.name for part in (work / "out").iterdir() if part.is_file()] == []


def free_port():
    with socket.socket() as listening:
        listening.bind(("localhost", 0))
        return listening.getsockname()[1]


def test_a_process_fails_with_one_line(work):
    (work / "mask.png").unlink()
    done = process(work, "-m", "experiments.edit")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (f"{work / 'mask.png'}: no such file; expected a picture\n")
    assert not (work / "out").exists()
