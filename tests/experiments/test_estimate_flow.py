"""The motion between two pictures or two times of a video, from the command line."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from flows import files, masks
from mg_jax import images

from ..programs import program

DATA = Path(__file__).parents[2] / "experiments" / "data"
H, W = 160, 208
MOTION = (12, -7)  # of the photo's cup
RATE = 10


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """A photo before and after its object has moved, as pictures and as a video; the true flow."""
    folder = tmp_path_factory.mktemp("scene")
    photo = images.resize(images.read(DATA / "coffee.png"), H, W)
    mask = images.resize(
        255 * images.read_mask(DATA / "coffee_mask.png").astype(np.uint8)[..., None], H, W
    )
    mask = mask[..., 0] > 127
    flow = np.where(mask[..., None], np.array(MOTION, np.float32), np.float32(0))
    after = photo.copy()
    y, x = np.nonzero(mask)
    after[y + MOTION[1], x + MOTION[0]] = photo[y, x]
    images.write(folder / "before.png", photo)
    images.write(folder / "after.png", after)
    images.write(folder / "small.png", photo[: H // 2])
    images.write(folder / "mask.png", np.repeat(255 * mask[..., None].astype(np.uint8), 3, axis=2))
    writer = cv2.VideoWriter(
        str(folder / "clip.avi"), cv2.VideoWriter.fourcc(*"MJPG"), RATE, (W, H)
    )
    for picture in (photo, photo, after, after):
        writer.write(np.ascontiguousarray(picture[..., ::-1]))
    writer.release()
    (folder / "text.mp4").write_text("no film " * 100)
    return folder, flow


def run(**flags):
    named = [f"--{name}={value}" for name, value in flags.items()]
    return program("experiments.estimate_flow", *named)


def check(found, flow):
    """End-point error on moved pixels, and what moves."""
    moved = masks.moving(flow)
    error = np.linalg.norm(found - flow, axis=-1)
    share = (masks.moving(found) == moved).mean()
    print(f"{error[moved].mean():.2f} px, {error[~moved].mean():.2f} px at rest, {share:.1%}")
    assert error[moved].mean() < 1.5
    assert share > 0.95


def test_the_motion_of_an_object_is_found_between_pictures(scene):
    folder, flow = scene
    out = folder / "pictures" / "flow.flo"
    done = run(first=folder / "before.png", second=folder / "after.png", out=out)
    assert (done.returncode, done.stderr) == (0, "")
    assert "consistent" in done.stdout
    check(files.read(out), flow)
    assert images.read(out.with_name("flow_preview.png")).shape[2] == 3
    assert {path.name for path in out.parent.iterdir()} == {"flow.flo", "flow_preview.png"}


def test_the_motion_in_a_video_is_brought_to_a_photo_and_its_object(scene):
    folder, _ = scene
    images.write(folder / "photo.png", images.resize(images.read(folder / "before.png"), 320, 312))
    out = folder / "video" / "flow.png"
    done = run(
        video=folder / "clip.avi",
        from_seconds=0.1,
        to_seconds=0.2,
        target=folder / "photo.png",
        frame_mask=folder / "mask.png",
        object_mask="rectangle 90,40 200,250",
        out=out,
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = files.read(out)
    assert found.shape == (320, 312, 2)
    selected = np.zeros((320, 312), bool)
    selected[40:251, 90:201] = True
    np.testing.assert_array_equal(masks.moving(found), selected)
    np.testing.assert_allclose(np.median(found[selected], axis=0), [12 * 1.5, -7 * 2], atol=1.5)


BAD = [
    ({"first": "before.png"}, "--first: alone"),
    ({}, "--first, --video: none"),
    ({"first": "before.png", "second": "after.png", "video": "clip.avi"}, "--video: alone"),
    ({"first": "before.png", "second": "small.png"}, "small.png"),
    ({"video": "clip.avi", "from_seconds": 0.1, "to_seconds": 9}, "clip.avi"),
    ({"video": "text.mp4", "from_seconds": 0, "to_seconds": 1}, "text.mp4"),
    ({"first": "before.png", "second": "after.png", "frame_mask": "small.png"}, "small.png"),
    ({"first": "before.png", "second": "after.png", "object_mask": "bent 1,1"}, "bent 1,1"),
    ({"first": "before.png", "second": "before.png"}, "before.png"),
    ({"first": "before.png", "second": "after.png", "out": "flow.txt"}, "flow.txt"),
    ({"first": "before.png", "second": "after.png", "least_region": "nan"}, "--least_region: nan"),
    ({"first": "before.png", "second": "after.png", "least_motion": "nan"}, "--least_motion: nan"),
]


OVER = [
    {"first": "before.png", "second": "after.png", "out": "before.png"},
    {"first": "before.png", "second": "after.png", "out": "../pictures/after.png"},
    {"first": "before.png", "second": "a_preview.png", "out": "a.flo"},
    {"video": "clip_preview.png", "from_seconds": 0, "to_seconds": 1, "out": "clip.npz"},
    {"first": "before.png", "second": "after.png", "frame_mask": "mask.png", "out": "mask.png"},
    {"first": "before.png", "second": "after.png", "target": "mask.png", "out": "mask.png"},
    {"first": "before.png", "second": "after.png", "object_mask": "mask.png", "out": "mask.png"},
    {"first": "before.png", "second": "after.png", "flow_model": "raft.npy", "out": "raft.npy"},
]


@pytest.mark.parametrize("flags", OVER)
def test_what_is_read_is_not_overwritten(tmp_path, flags):
    folder = tmp_path / "pictures"
    folder.mkdir()
    names = {"before.png", "after.png", "a_preview.png", "clip_preview.png", "mask.png", "raft.npy"}
    for name in names:
        (folder / name).write_text(name)
    done = run(**{k: folder / v if "." in str(v) else v for k, v in flags.items()})
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith(f"--out={folder / flags['out']}: would overwrite ")
    assert done.stderr.endswith(", which is read; expected another name\n")
    assert {path.name for path in folder.iterdir()} == names
    assert all((folder / name).read_text() == name for name in names)


@pytest.mark.parametrize(("flags", "named"), BAD)
def test_bad_input_is_one_line_that_names_it_and_writes_nothing(scene, tmp_path, flags, named):
    folder, _ = scene
    given = {k: folder / v if (folder / str(v)).exists() else v for k, v in flags.items()}
    given["out"] = tmp_path / flags.get("out", "flow.npz")
    done = run(**given)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert named in done.stderr
    assert "expected" in done.stderr
    assert not list(tmp_path.iterdir())
