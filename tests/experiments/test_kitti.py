"""Cases from a KITTI folder, small and drawn."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from experiments import kitti
from flows import masks, motions
from mg_jax import cases

from ..programs import program

HEIGHT, WIDTH = 94, 310
CAR, PERSON, ROAD = 26 * 256, 24 * 256, 7 * 256


@pytest.fixture
def folder(tmp_path):
    """Two photos: one with a car and a person seen whole, one with nothing of use."""
    for name in ("image_2", "instance"):
        (tmp_path / "training" / name).mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    write(tmp_path, "000000_10.png", noise, useful())
    useless = np.full((HEIGHT, WIDTH), ROAD, np.uint16)
    useless[30:60, 0:40] = CAR + 1  # cut off by the border
    useless[50:52, 100:102] = PERSON + 1  # too small
    useless[30:60, 200:240] = CAR  # whose instance is not known
    write(tmp_path, "000001_10.png", noise, useless)
    return tmp_path


def useful():
    instances = np.full((HEIGHT, WIDTH), ROAD, np.uint16)
    instances[40:60, 100:140] = CAR + 2
    instances[35:65, 200:212] = PERSON + 1
    return instances


def write(folder, name, photo, instances):
    Image.fromarray(photo).save(folder / "training" / "image_2" / name)
    Image.fromarray(instances).save(folder / "training" / "instance" / name)


def test_objects_that_are_whole_move_and_all_else_rests(folder):
    pairs = kitti.find(folder)
    seen = set()
    for index in range(12):
        case = kitti.draw(pairs, 0, index, 128)
        moved = masks.moving(case.flow)
        # A fit object covers a square of the photo's height so much, at any size.
        share = {"car": 40 * 20, "person": 12 * 30}[case.name.split("-")[1]] / HEIGHT**2
        assert moved.mean() == pytest.approx(share, rel=0.15)
        assert motions.leaving(case.flow, moved) <= 0.05
        assert case.answer is None
        seen.add(case.name.split("-")[1])
    assert seen == {"car", "person"}


def test_the_object_moves_and_not_its_surroundings(folder):
    painted = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    painted[useful() == CAR + 2] = (255, 0, 0)
    painted[useful() == PERSON + 1] = (0, 0, 255)
    for name in ("000000_10.png", "000001_10.png"):
        write(folder, name, painted, useful())
    for index in range(6):
        case = kitti.draw(kitti.find(folder), 1, index, 128)
        channel = {"car": 0, "person": 2}[case.name.split("-")[1]]
        there = case.source[..., channel] > 127
        assert (masks.moving(case.flow) ^ there).mean() < 0.01


def test_a_case_is_its_seeds_and_indexs(folder):
    pairs = kitti.find(folder)
    first, again, other = (kitti.draw(pairs, 0, index, 128) for index in (1, 1, 2))
    assert (first.flow == again.flow).all()
    assert (first.source == again.source).all()
    assert (first.flow != other.flow).any()


def spoil_instance(folder, content):
    path = folder / "training" / "instance" / "000000_10.png"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        Image.fromarray(content).save(path)


def png_of_a_billion_pixels():
    chunks = b"\x89PNG\r\n\x1a\n"
    for body in (b"IHDR" + struct.pack(">IIBBBBB", 30000, 30000, 16, 0, 0, 0, 0), b"IDAT"):
        chunks += struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return chunks


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda f: (f / "training").rename(f / "testing"), "has no training/image_2"),
        (
            lambda f: (f / "training" / "instance" / "000001_10.png").unlink(),
            "000001_10.png: no such file",
        ),
        (lambda f: spoil_instance(f, b"text"), "000000_10.png: broken"),
        (lambda f: spoil_instance(f, png_of_a_billion_pixels()), "000000_10.png: broken"),
        (lambda f: spoil_instance(f, np.zeros((9, 9), np.uint8)), "expected a 16-bit grey PNG"),
        (lambda f: spoil_instance(f, useful()[:, :-9]), "the size of its instances"),
        (lambda f: spoil_instance(f, np.full((94, 310), ROAD, np.uint16)), "no object found"),
    ],
)
def test_bad_folders_are_one_line_that_names_the_fault(folder, spoil, named):
    spoil(folder)
    with pytest.raises(ValueError, match=named) as caught:
        [kitti.draw(kitti.find(folder), 0, index, 128) for index in range(4)]
    assert "\n" not in str(caught.value)


def run(*flags):
    return program("experiments.make_kitti_cases", *flags)


def test_the_program_writes_cases_that_can_be_read(folder, tmp_path):
    out = tmp_path / "made"
    done = run(f"--kitti={folder}", f"--out={out}", "--count=2", "--size=128")
    assert (done.returncode, done.stderr) == (0, "")
    assert [cases.read(path).source.shape for path in cases.find(out)] == [(128, 128, 3)] * 2


@pytest.mark.parametrize(("flags", "named"), [([], "--kitti"), (["--kitti=nowhere"], "nowhere")])
def test_bad_input_is_one_line_that_names_it(tmp_path, flags, named):
    done = run(f"--out={tmp_path / 'made'}", *flags)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert named in done.stderr
    assert not (tmp_path / "made").exists()
