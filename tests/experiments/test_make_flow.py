"""Making flows and looking at them from the command line."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from experiments import motion_flags
from flows import draw, files, motions
from mg_jax import images

from ..programs import program

H, W = 100, 150
MASK = np.zeros((H, W), bool)
MASK[30:60, 40:80] = True


@pytest.fixture
def work(tmp_path):
    photo = images.resize(images.read(motion_flags.IMAGE), H, W)
    images.write(tmp_path / "photo.png", photo)
    cutout = np.dstack([photo, np.where(MASK, 255, 40).astype(np.uint8)])
    Image.fromarray(cutout).save(tmp_path / "cutout.png")
    return tmp_path


def make_flow(work, *arguments):
    given = [argument.replace("{}", str(work)) for argument in arguments]
    return program("experiments.make_flow", f"--image={work / 'photo.png'}", *given)


def test_the_flow_of_two_objects_and_its_preview(work):
    done = make_flow(
        work,
        "--object_mask={}/cutout.png",
        "--motion=rotate degrees=30",
        "--object_mask=rectangle 100,10 120,20",
        "--motion=translate dx=35",
        "--out={}/new/both.flo",
    )
    assert done.returncode == 0
    noted = f"note: {work}/cutout.png: what is opaque is taken; selects {MASK.mean():.0%} of the"
    assert done.stderr == noted + " picture\n"
    box = np.zeros((H, W), bool)
    box[10:21, 100:121] = True
    expected = motions.together(
        [
            (motions.parse("rotate degrees=30"), MASK),
            (motions.parse("translate dx=35"), box),
        ]
    )
    np.testing.assert_array_equal(files.read(work / "new/both.flo"), expected)
    preview = images.read(work / "new/both_preview.png")
    np.testing.assert_array_equal(preview, draw.preview(images.read(work / "photo.png"), expected))
    share = (MASK | box).mean()
    gone = 11 * 6 / (MASK | box).sum()  # x from 115 to 120 ends at 150 and beyond
    assert done.stdout == (
        f"{work}/new/both.flo: {share:.1%} of the picture moves, {gone:.1%} of that leaves it;"
        f" look at {work}/new/both_preview.png\n"
    )


def test_a_flow_that_is_there_is_shown_and_converted(work):
    flow = motions.field(motions.parse("scale factor=1.3"), MASK)
    files.write(work / "there.npz", flow)
    done = make_flow(work, "--flow={}/there.npz", "--out={}/here.npy")
    assert (done.returncode, done.stderr) == (0, "")
    np.testing.assert_array_equal(np.load(work / "here.npy"), flow)
    assert (work / "here_preview.png").is_file()


@pytest.mark.parametrize(
    ("begins", "arguments"),
    [
        ("{}/flow.jpg: unknown suffix", ("--motion=translate dx=1", "--out={}/flow.jpg")),
        ("selection 'click 150,3'", ("--motion=translate dx=1", "--object_mask=click 150,3")),
        ("--out={}/photo.png/flow.npz", ("--out={}/photo.png/flow.npz",)),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(work, begins, arguments):
    before = set(work.rglob("*"))
    given = ("--out={}/flow.npz", "--object_mask={}/cutout.png", "--motion=translate dx=1")
    names = {argument.partition("=")[0] for argument in arguments}
    kept = [argument for argument in given if argument.partition("=")[0] not in names]
    done = make_flow(work, *kept, *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(begins.replace("{}", str(work)))
    assert set(work.rglob("*")) == before


def test_a_motion_that_no_edit_could_use_is_refused(work):
    given = ("--object_mask={}/cutout.png", "--out={}/flow.npz")
    for motion, says in (("dx=0", "zero everywhere"), ("dx=900", "moves everything out")):
        done = make_flow(work, *given, f"--motion=translate {motion}")
        assert done.returncode == 1
        assert done.stderr.startswith(f"--motion: {says}")
    assert not (work / "flow.npz").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--out={}/photo.png", "--motion=translate dx=1", "--object_mask={}/mask.png"),
        ("--out={}/mask.png", "--motion=translate dx=1", "--object_mask={}/mask.png"),
        ("--out={}/folder/../flow.npz", "--flow={}/flow.npz"),
        ("--out={}/link.npz", "--flow={}/flow.npz"),
        ("--out={}/a.npz", "--image={}/a_preview.png", "--flow={}/flow.npz"),
    ],
)
def test_what_is_read_is_not_overwritten(work, arguments):
    for copy in ("mask.png", "a_preview.png"):
        (work / copy).write_bytes((work / "cutout.png").read_bytes())
    files.write(work / "flow.npz", motions.field(motions.parse("rotate degrees=9"), MASK))
    (work / "link.npz").symlink_to(work / "flow.npz")
    (work / "folder").mkdir()
    before = {path: path.is_file() and path.read_bytes() for path in work.rglob("*")}
    done = make_flow(work, *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(arguments[0].replace("{}", str(work)))
    assert "which is read; expected another name" in done.stderr
    assert {path: path.is_file() and path.read_bytes() for path in work.rglob("*")} == before


def test_the_help_names_every_motion():
    assert ", ".join(motions.MOTIONS) in motion_flags.flags.FLAGS["motion"].help


def test_a_flow_beyond_any_picture_is_refused(work):
    flow = np.full((*images.read(work / "photo.png").shape[:2], 2), 1e30, np.float32)
    np.savez(work / "far.npz", flow=flow)
    done = make_flow(work, "--flow={}/far.npz", "--out={}/flow.npz")
    assert done.returncode == 1
    assert done.stderr == (f"{work}/far.npz: goes 1e+30 pixels far; expected at most 1,000,000\n")
    assert not (work / "flow.npz").exists()


@pytest.mark.parametrize("program", ["edit", "make_flow"])
def test_a_program_loads_no_vision_library_before_it_is_asked_for_a_click(program):
    code = f"import sys; from experiments import {program}; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert "flows.selections" in modules.split()
    assert not {"cv2", "skimage"} & set(modules.split())
