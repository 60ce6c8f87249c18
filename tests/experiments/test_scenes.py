"""Random scenes: what every one of them keeps, and that all machines draw the same."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments import scenes
from experiments.material import read
from flows import masks, motions
from mg_jax import cases

DATA = Path(scenes.__file__).parent / "data"
SHIPPED_SEED, SHIPPED_SIZE = 4, 256


@pytest.fixture(scope="module")
def material():
    return read(DATA / "backgrounds", DATA / "cutouts")


@pytest.mark.parametrize("index", range(6))
def test_a_scene_moves_whole_objects_that_stay_in_the_picture(material, index):
    case = scenes.draw(material, 7, index, 128)
    moved = masks.moving(case.flow)
    assert 0.005 < moved.mean() < 0.4
    assert motions.leaving(case.flow, moved) < 0.15
    still = case.motion.background
    assert still.any()
    # Soft rims reach past the flow; the photo, which is most of the picture, stays bit for bit.
    assert (case.source == case.answer)[still].mean() > 0.97
    assert (case.source != case.answer)[moved].any()


def test_a_scene_does_not_depend_on_those_before(material):
    alone = scenes.draw(material, 7, 3, 128)
    for index in range(4):
        last = scenes.draw(material, 7, index, 128)
    assert (alone.source == last.source).all()
    assert (alone.flow == last.flow).all()
    assert (alone.answer == last.answer).all()


def test_seeds_and_indices_draw_different_scenes(material):
    pictures = [scenes.draw(material, *which, 128).source for which in ((0, 0), (0, 1), (1, 0))]
    assert len({picture.tobytes() for picture in pictures}) == 3


def test_a_scene_is_the_same_on_every_machine(material):
    case = scenes.draw(material, 0, 0, 128)
    parts = case.source, case.flow, case.answer
    digest = hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()
    assert digest == "702701db9bc46460c905f2e29f8c629d14860911904b0600d68fad40dd5027f5"


def test_the_shipped_cases_are_those_of_their_seed(material):
    folders = cases.find(DATA / "cases")
    for index, folder in enumerate(folders):
        shipped = cases.read(folder)
        made = scenes.draw(material, SHIPPED_SEED, index, SHIPPED_SIZE)
        assert (shipped.name, shipped.prompt) == (made.name, made.prompt)
        for one, other in ((shipped.source, made.source), (shipped.answer, made.answer)):
            assert (one == other).all()
        assert (shipped.flow == made.flow).all()


@pytest.fixture
def own(tmp_path):
    """Folders of one's own: a photo, and two cut-outs."""
    for name in ("photos", "cutouts"):
        (tmp_path / name).mkdir()
    Image.new("RGB", (200, 160), (90, 160, 90)).save(tmp_path / "photos" / "lawn.png")
    for name, colour in (("ball", (200, 20, 20, 255)), ("red_box", (20, 20, 200, 255))):
        cutout = Image.new("RGBA", (50, 40))
        cutout.paste(colour, (5, 5, 45, 35))
        cutout.save(tmp_path / "cutouts" / f"{name}.png")
    return tmp_path


def test_own_photos_and_cutouts_serve(own):
    case = scenes.draw(read(own / "photos", own / "cutouts"), 0, 0, 128)
    assert case.source.shape == (128, 128, 3)
    assert case.prompt.startswith("a photo of a ")
    assert masks.moving(case.flow).any()


@pytest.mark.parametrize("count", [1, 2])
def test_something_moves_however_few_the_cutouts(own, count):
    for path in sorted((own / "cutouts").iterdir())[count:]:
        path.unlink()
    material = read(own / "photos", own / "cutouts")
    for index in range(6):
        assert masks.moving(scenes.draw(material, 2, index, 128).flow).any()


def test_what_is_empty_round_a_cutout_changes_nothing(own):
    before = scenes.draw(read(own / "photos", own / "cutouts"), 0, 0, 128)
    for path in (own / "cutouts").iterdir():
        canvas = Image.new("RGBA", (900, 1200))
        with Image.open(path) as cutout:
            canvas.paste(cutout, (611, 83))
        canvas.save(path)
    after = scenes.draw(read(own / "photos", own / "cutouts"), 0, 0, 128)
    np.testing.assert_array_equal(after.source, before.source)
    np.testing.assert_array_equal(after.answer, before.answer)


def test_cutouts_that_do_not_show_are_refused(own):
    for path in (own / "cutouts").iterdir():
        Image.new("RGBA", (50, 40), (90, 160, 90, 255)).save(path)  # the lawn's own colour
    with pytest.raises(ValueError, match="cutouts: cannot be placed"):
        scenes.draw(read(own / "photos", own / "cutouts"), 0, 0, 128)


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda own: (own / "photos" / "lawn.png").unlink(), "photos: has no picture"),
        (lambda own: (own / "photos").rename(own / "elsewhere"), "photos: no such folder"),
        (lambda own: (own / "cutouts" / "ball.png").write_bytes(b"GIF"), "ball.png: is no picture"),
        (
            lambda own: Image.new("RGB", (9, 9)).save(own / "cutouts" / "ball.png"),
            "ball.png: has no transparency",
        ),
        (
            lambda own: Image.new("RGBA", (9, 9)).save(own / "cutouts" / "ball.png"),
            "ball.png: is nowhere more than half opaque; expected an object",
        ),
    ],
)
def test_bad_folders_are_one_line_that_names_the_fault(own, spoil, named):
    spoil(own)
    with pytest.raises(ValueError, match=named) as caught:
        read(own / "photos", own / "cutouts")
    assert "\n" not in str(caught.value)


def test_scenes_hold_one_to_three_movers_and_some_that_rest(material):
    names = [scenes.draw(material, 9, index, 128) for index in range(12)]
    movers = {len(case.name.split("-")) - 1 for case in names}
    objects = {case.prompt.count(" a ") for case in names}
    assert movers <= {1, 2, 3}
    assert len(movers) > 1
    assert max(objects) > 1
    assert np.mean([masks.moving(case.flow).mean() for case in names]) > 0.02
