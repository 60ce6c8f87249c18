"""One method on one case: scores, and what is kept and done again."""

import functools
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import flows
import mg_jax
from experiments import evaluation
from experiments.evaluation import Ruler
from experiments.methods import Method
from flows import raft
from flows.calling import compiled_flow
from mg_jax import compilation, fidelity, images, metrics
from mg_jax.cases import Case
from mg_jax.models import clip
from mg_jax.models.clip import network

from ..mg_jax.models.clip import published

H, W, DX = 128, 160, 16
RNG = np.random.default_rng(0)
SOURCE = RNG.integers(0, 256, (H, W, 3), dtype=np.uint8)
FLOW = np.zeros((H, W, 2), np.float32)
FLOW[40:80, 40:80] = (DX, 0)
ANSWER = SOURCE.copy()
ANSWER[40:80, 56:96] = SOURCE[40:80, 40:80]
ANSWER[40:80, 40:56] = 128
CASE = Case("one", SOURCE, FLOW, SOURCE, ANSWER, "a cup")


SEEN = []  # what the judge was shown
TRIED = []  # the motions that it was tried on


@pytest.fixture
def ruler(monkeypatch):
    """A judge that sees what was asked for."""

    def flow_between(_judge, _source, result):
        SEEN.append(result)
        return FLOW

    def measurable(_judge, _source, motion):
        TRIED.append(motion.flow)
        return motion.moving

    SEEN.clear()
    TRIED.clear()
    evaluation._measurable.cache_clear()
    monkeypatch.setattr(metrics, "flow_between", flow_between)
    monkeypatch.setattr(metrics, "measurable", measurable)
    return Ruler(None, None, {"judge": "fixed"})


class Counting:
    """A method that returns one picture and counts."""

    def __init__(self, picture=ANSWER):
        self.picture, self.made = picture, 0

    def __call__(self, _case, _seed):
        self.made += 1
        return self.picture


def edited(folder, ruler, method, case=CASE, seed=0, settings=()):
    return evaluation.edited(case, "method", Method(method, dict(settings)), seed, ruler, folder)


def test_the_true_answer_scores_best(ruler):
    scores = evaluation.score(CASE, ANSWER, ruler)
    assert scores["psnr"] == scores["psnr_region"] == fidelity.EQUAL
    assert scores["ssim"] == pytest.approx(1)
    for key in ("flow_l1_px", "flow_epe_moved_px", "background_l1"):
        assert scores[key] == 0
    for key in ("color_l1_moved", "color_l1_visible"):
        assert scores[key] == pytest.approx(0, abs=1e-6)
    assert "kept_l1" not in scores


def test_doing_nothing_is_as_far_as_the_motion_goes(ruler):
    scores = evaluation.score(CASE, SOURCE, ruler)
    assert scores["background_l1"] == 0
    assert scores["color_l1_moved"] > 0.1
    assert scores["psnr_region"] < scores["psnr"] < fidelity.EQUAL


def test_what_is_not_defined_is_none(ruler):
    everywhere = np.full_like(FLOW, 1)
    scores = evaluation.score(replace(CASE, answer=None, flow=everywhere), SOURCE, ruler)
    undefined = {key for key, value in scores.items() if value is None}
    assert undefined == {"psnr", "psnr_region", "ssim", "ssim_region", "clip", "background_l1"}
    json.dumps(scores, allow_nan=False)


def test_the_judge_is_tried_once_a_case(tmp_path, ruler):
    for name in "ab":
        evaluation.edited(CASE, name, Method(Counting(), {}), 0, ruler, tmp_path)
    evaluation.brought(CASE, evaluation.ANSWER, ruler, tmp_path)
    assert (len(SEEN), len(TRIED)) == (3, 1)
    np.testing.assert_array_equal(TRIED[0], FLOW)
    evaluation.score(replace(CASE, flow=2 * FLOW), ANSWER, ruler)
    assert len(TRIED) == 2


def test_a_flow_that_cannot_be_judged_has_no_error(tmp_path, ruler, monkeypatch):
    nowhere = np.zeros((H, W), bool)
    monkeypatch.setattr(metrics, "measurable", lambda *_: nowhere)
    scores = edited(tmp_path, ruler, Counting()).scores
    assert scores["flow_l1_px"] is scores["flow_epe_moved_px"] is None
    assert scores["judged_moved"] == 0
    assert scores["color_l1_moved"] == pytest.approx(0, abs=1e-6)


def test_clip_sees_picture_and_prompt(ruler):
    seen = []

    def similarity(picture, text):
        seen.append((picture, text))
        return 0.25

    with_clip = ruler._replace(similarity=similarity)
    assert evaluation.score(CASE, ANSWER, with_clip)["clip"] == 0.25
    assert evaluation.score(replace(CASE, prompt=""), ANSWER, with_clip)["clip"] is None
    ((picture, text),) = seen
    np.testing.assert_array_equal(picture, ANSWER)
    assert text == "a cup"


def test_what_is_done_is_not_done_again(tmp_path, ruler):
    method = Counting()
    first = edited(tmp_path, ruler, method)
    again = edited(tmp_path, ruler, method)
    assert (method.made, len(SEEN)) == (1, 1)
    assert again == first
    assert first.scores["seconds"] >= 0
    np.testing.assert_array_equal(images.read(tmp_path / "method.png"), ANSWER)
    assert {path.name for path in tmp_path.iterdir()} == {"method.png", "method.json"}


@pytest.mark.parametrize(
    "changed",
    [
        {"seed": 1},
        {"settings": {"steps": 5}},
        {"case": replace(CASE, source=SOURCE[::-1].copy())},
        {"case": replace(CASE, flow=2 * FLOW)},
        {"case": replace(CASE, prompt="a bowl")},
    ],
    ids=lambda changed: "-".join(changed),
)
def test_a_picture_of_anything_else_is_made_again(tmp_path, ruler, changed):
    method = Counting()
    edited(tmp_path, ruler, method)
    edited(tmp_path, ruler, method, **changed)
    assert method.made == 2


def other_picture(folder):
    images.write(folder / "method.png", SOURCE)


def no_picture(folder):
    (folder / "method.png").unlink()


def cut_record(folder):
    content = (folder / "method.json").read_bytes()
    (folder / "method.json").write_bytes(content[: len(content) // 2])


def no_record(folder):
    (folder / "method.json").unlink()


@pytest.mark.parametrize("harm", [other_picture, no_picture, cut_record, no_record])
def test_what_is_harmed_is_made_again(tmp_path, ruler, harm):
    method = Counting()
    first = edited(tmp_path, ruler, method)
    harm(tmp_path)
    again = edited(tmp_path, ruler, method)
    assert method.made == 2
    assert again.scores["psnr"] == first.scores["psnr"]
    np.testing.assert_array_equal(images.read(tmp_path / "method.png"), ANSWER)


@pytest.mark.parametrize("changed", ["judge", "answer", "code"])
def test_another_ruler_measures_again_without_another_edit(tmp_path, monkeypatch, ruler, changed):
    method, case = Counting(), CASE
    first = edited(tmp_path, ruler, method)
    if changed == "judge":
        ruler = ruler._replace(description={"judge": "another"})
    elif changed == "answer":
        case = replace(CASE, answer=SOURCE)
    else:
        monkeypatch.setattr(evaluation, "_ruler_code", lambda: "another")
    again = edited(tmp_path, ruler, method, case=case)
    assert (method.made, len(SEEN)) == (1, 2)
    assert (again.scores["psnr"] < first.scores["psnr"]) == (changed == "answer")
    assert again.scores["seconds"] == first.scores["seconds"]


@pytest.mark.long
def test_the_rulers_code_has_all_of_ours_that_measuring_runs(tmp_path):
    weights = published.folder(tmp_path / "clip", published.TINY, published.draw(published.TINY))
    similarity = functools.partial(clip.similarity, clip.load(weights))
    ruler = Ruler(raft.load("raft-small"), similarity, {})
    ran = set()
    network.programs.cache_clear()  # what is compiled already would not be run through again
    compiled_flow.clear_cache()
    sys.setprofile(lambda frame, *_: ran.add(Path(frame.f_code.co_filename)))
    try:
        evaluation.score(CASE, ANSWER, ruler)
    finally:
        sys.setprofile(None)
    ours = ran & set(evaluation._files(flows, mg_jax))
    ours -= {Path(compilation.__file__)}  # which listens to the compiler, to tell its time
    assert {file.stem for file in ours} >= {
        "metrics", "filling", "images", "correlation", "vision", "encoder"
    }  # fmt: skip
    assert ours <= set(evaluation._files(*evaluation._RULER))


def test_a_refusal_names_case_and_method(tmp_path, ruler):
    def refuse(_case, _seed):
        raise ValueError("flow: too far; expected less")

    with pytest.raises(ValueError, match=r"^one: method: flow: too far; expected less$"):
        edited(tmp_path, ruler, refuse)
    assert list(tmp_path.iterdir()) == []


def test_pictures_that_a_case_brings_are_rows(tmp_path, ruler):
    reference = evaluation.brought(CASE, evaluation.REFERENCE, ruler, tmp_path)
    answer = evaluation.brought(CASE, evaluation.ANSWER, ruler, tmp_path)
    assert reference.scores == evaluation.score(CASE, SOURCE, ruler)
    assert answer.scores["psnr"] is answer.scores["ssim_region"] is None
    assert answer.scores["flow_l1_px"] == 0
    assert {path.name for path in tmp_path.iterdir()} == {"reference.json", "answer.json"}
    shown = len(SEEN)
    assert evaluation.brought(CASE, evaluation.REFERENCE, ruler, tmp_path) == reference
    assert len(SEEN) == shown
    bare = replace(CASE, reference=None, answer=None)
    assert evaluation.brought(bare, evaluation.REFERENCE, ruler, tmp_path) is None
    assert evaluation.brought(bare, evaluation.ANSWER, ruler, tmp_path) is None
