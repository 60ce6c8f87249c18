"""Cases on disk: what is written comes back, what is broken is named."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import mg_jax
from flows import files
from mg_jax import cases, images, metrics
from mg_jax.cases import Case
from mg_jax.interfaces import ModelResult
from mg_jax.models.patch import coarse_to_fine

H, W = 24, 32
RNG = np.random.default_rng(0)


def picture(height=H, width=W):
    return RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)


def flow():
    field = np.zeros((H, W, 2), np.float32)
    field[8:16, 8:16] = (4, 2)
    return field


def case(**changed):
    return replace(
        Case("one", picture(), flow(), picture(), picture(), "a cup on a table"), **changed
    )


def assert_equal(one, other):
    assert (one.name, one.prompt) == (other.name, other.prompt)
    for field in ("source", "flow", "reference", "answer"):
        mine, theirs = getattr(one, field), getattr(other, field)
        if mine is None or theirs is None:
            assert mine is theirs
        else:
            np.testing.assert_array_equal(mine, theirs)
            assert mine.dtype == theirs.dtype


@pytest.mark.parametrize(
    "changed", [{}, {"prompt": ""}, {"reference": None}, {"answer": None, "prompt": "ein Löwe"}]
)
def test_what_is_written_is_read(tmp_path, changed):
    written = case(**changed)
    cases.write(tmp_path / "deep" / "one", written)
    assert_equal(cases.read(tmp_path / "deep" / "one"), written)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["one"]


def test_the_order_is_kept_beside_the_flow_and_shown_as_masks(tmp_path):
    order = np.zeros((H, W), np.int32)
    order[8:16, 8:16], order[9:12, 9:12] = 1, 2
    cases.write(tmp_path / "one", case(order=order))
    np.testing.assert_array_equal(cases.read(tmp_path / "one").order, order)
    np.testing.assert_array_equal(files.read(tmp_path / "one" / "flow.npz"), flow())
    for layer in (1, 2):
        mask = images.read_mask(tmp_path / "one" / f"mask_{layer}.png")
        np.testing.assert_array_equal(mask, order == layer)


def test_the_folder_names_the_case(tmp_path):
    cases.write(tmp_path / "other", case())
    assert cases.read(tmp_path / "other").name == "other"


def test_links_name_cases_too(tmp_path):
    for place in ("left", "right"):
        cases.write(tmp_path / place / "same", case(prompt=place))
        (tmp_path / "all").mkdir(exist_ok=True)
        (tmp_path / "all" / place).symlink_to(tmp_path / place / "same")
    found = [cases.read(folder) for folder in cases.find(tmp_path / "all")]
    assert [(one.name, one.prompt) for one in found] == [("left", "left"), ("right", "right")]


def test_the_folder_one_is_in_has_its_name(tmp_path, monkeypatch):
    cases.write(tmp_path / "one", case())
    monkeypatch.chdir(tmp_path / "one")
    assert cases.read(Path()).name == "one"


def test_cases_are_found_in_order(tmp_path):
    for name in ("b", "c", "a"):
        cases.write(tmp_path / name, case())
    (tmp_path / "no case").mkdir()
    (tmp_path / "README.md").write_text("cases")
    assert cases.find(tmp_path) == [tmp_path / name for name in "abc"]


def test_a_write_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match=r"one/answer\.png: 32x12 pixels; expected 32x24") as said:
        cases.write(tmp_path / "one", case(answer=picture(H // 2)))
    assert "\n" not in str(said.value)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over(tmp_path):
    cases.write(tmp_path / "one", case(prompt="first"))
    with pytest.raises(ValueError, match="one: exists already"):
        cases.write(tmp_path / "one", case(prompt="second"))
    assert cases.read(tmp_path / "one").prompt == "first"


def no_source(folder):
    (folder / "source.png").unlink()


def no_flow(folder):
    (folder / "flow.npz").unlink()


def cut_flow(folder):
    content = (folder / "flow.npz").read_bytes()
    (folder / "flow.npz").write_bytes(content[: len(content) // 2])


def small_flow(folder):
    files.write(folder / "flow.npz", flow()[:-1])


def small_order(folder):
    np.savez(folder / "flow.npz", flow=flow(), order=np.ones((H, W - 1), int))


def soft_order(folder):
    np.savez(folder / "flow.npz", flow=flow(), order=np.ones((H, W)))


def small_answer(folder):
    images.write(folder / "answer.png", picture(H, W - 1))


def broken_reference(folder):
    (folder / "reference.png").write_bytes(b"no picture")


def latin_prompt(folder):
    (folder / "prompt.txt").write_bytes("ein Löwe".encode("latin-1"))


@pytest.mark.parametrize(
    ("harm", "line"),
    [
        (no_source, r"source\.png: no such file"),
        (no_flow, r"flow\.npz: no such file"),
        (cut_flow, r"flow\.npz: broken or cut short"),
        (small_flow, r"flow\.npz: 32x23 pixels; expected 32x24"),
        (small_order, r"flow\.npz: 31x24 pixels; expected 32x24"),
        (soft_order, r"flow\.npz: order is float64 \(24, 32\); expected whole numbers"),
        (small_answer, r"answer\.png: 31x24 pixels; expected 32x24"),
        (broken_reference, r"reference\.png: is no picture"),
        (latin_prompt, r"prompt\.txt: cannot be read as text"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, harm, line):
    cases.write(tmp_path / "one", case())
    harm(tmp_path / "one")
    with pytest.raises(ValueError, match=line) as said:
        cases.read(tmp_path / "one")
    assert "\n" not in str(said.value)


def test_a_folder_without_cases_is_refused(tmp_path):
    with pytest.raises(ValueError, match="has no case; expected"):
        cases.find(tmp_path)
    with pytest.raises(ValueError, match="no such folder; expected"):
        cases.find(tmp_path / "none")


@pytest.mark.filterwarnings("ignore:the flow network sees")
def test_the_edit_region_is_that_of_an_edit(monkeypatch):
    seen = []

    def edit(image, _motion, region, *_):
        seen.append(region)
        yield from ()
        return ModelResult(image[None], region, np.zeros((1, 0, 0, 0), np.float32))

    monkeypatch.setattr(coarse_to_fine, "edit", edit)
    monkeypatch.setattr(
        metrics,
        "flow_between",
        lambda _judge, image, _: np.zeros((*image.shape[:2], 2), np.float32),
    )
    one = case(source=picture(64, 96), flow=np.pad(flow(), ((20, 20), (32, 32), (0, 0))))
    mg_jax.edit(one.source, one.flow)
    np.testing.assert_array_equal(one.motion.region, seen[0])
    assert 0 < seen[0].mean() < 1
