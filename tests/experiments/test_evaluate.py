"""The command: a whole evaluation, gone on with, and bad input."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from flows import files
from mg_jax import cases, images
from mg_jax.cases import Case
from mg_jax.models import clip

from ..mg_jax.models.clip import published
from ..programs import program

H, W, DX = 128, 144, 16
PROMPT = "squares of all colours"
RNG = np.random.default_rng(0)


def case(name, **changed):
    coarse = RNG.integers(0, 256, (H // 8, W // 8, 3), dtype=np.uint8)
    source = images.resize(coarse, H, W)
    flow = np.zeros((H, W, 2), np.float32)
    flow[32:96, 32:96] = (DX, 0)
    answer = source.copy()
    answer[32:96, 32:48] = 128
    answer[32:96, 48:112] = source[32:96, 32:96]
    return replace(Case(name, source, flow, None, answer, ""), **changed)


@pytest.fixture
def work(tmp_path):
    first = case("first")
    cases.write(tmp_path / "cases" / "first", replace(first, reference=first.source, prompt=PROMPT))
    cases.write(tmp_path / "cases" / "second", case("second", answer=None))
    return tmp_path


def evaluate(work, *arguments):
    return program(
        "experiments.evaluate",
        f"--cases={work / 'cases'}",
        f"--out={work / 'out'}",
        "--judge=raft-small",
        *arguments,
    )


@pytest.mark.long
def test_a_whole_evaluation_then_one_more_method_and_clip(work):
    done = evaluate(work, "--methods=nothing,forward_warp")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1
    out = work / "out"
    assert {path.name for path in out.iterdir()} == {
        "first", "second", "table.json", "table.md", "sheet.png"
    }  # fmt: skip
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*/*.png")}
    table = json.loads((out / "table.json").read_text())
    assert set(table["cases"]["first"]) == {"nothing", "forward_warp", "reference", "answer"}
    assert set(table["cases"]["second"]) == {"nothing", "forward_warp"}
    # The reference is the source: the same row by another name.
    nothing, reference = (table["cases"]["first"][row] for row in ("nothing", "reference"))
    assert {key: nothing[key] for key in reference} == reference
    everywhere, with_answer = table["means"]
    assert everywhere["cases"] == ["first", "second"]
    assert everywhere["counts"]["psnr"] == 1
    flow_errors = [table["cases"][name]["nothing"]["flow_l1_px"] for name in ("first", "second")]
    assert everywhere["rows"]["nothing"]["flow_l1_px"] == pytest.approx(np.mean(flow_errors))
    assert with_answer["cases"] == ["first"]
    first = with_answer["rows"]
    assert first["forward_warp"]["psnr_region"] > first["nothing"]["psnr_region"]
    assert first["forward_warp"]["color_l1_moved"] == pytest.approx(0, abs=1e-6)
    assert first["answer"]["psnr"] is None
    lines = (out / "table.md").read_text().splitlines()
    assert not any("**" in line for line in lines if line.startswith("| answer"))
    assert any("**" in line for line in lines if line.startswith("| reference"))
    assert table["seed"] == 0
    assert table["ruler"]["judge"] == "raft-small"
    assert set(table["methods"]) == {"nothing", "forward_warp"}
    assert "jax" in table["versions"]

    record = json.loads((out / "first" / "nothing.json").read_text())
    (out / "first" / "nothing.json").write_text(json.dumps(record | {"code": "of old"}))
    clip_folder = published.folder(work / "clip", published.TINY, published.draw(published.TINY))
    again = evaluate(work, "--methods=nothing,forward_warp_fill", f"--clip={clip_folder}")
    assert again.returncode == 0
    assert again.stderr.startswith("note: ")
    assert again.stderr.count("\n") == 1
    assert "of 4 pictures were made by another version of the code" in again.stderr
    after = {path: path.stat().st_mtime_ns for path in out.rglob("*/*.png")}
    assert before
    assert all(after[path] == time for path, time in before.items())
    assert {path.name for path in after.keys() - before.keys()} == {"forward_warp_fill.png"}
    assert "forward_warp_fill" in (out / "table.md").read_text()
    table = json.loads((out / "table.json").read_text())
    rows = table["cases"]["first"]
    assert set(rows) == {"nothing", "forward_warp_fill", "reference", "answer"}
    assert rows["nothing"]["flow_l1_px"] == nothing["flow_l1_px"]
    source = cases.read(work / "cases" / "first").source
    expected = clip.similarity(clip.load(clip_folder), source, PROMPT)
    assert rows["nothing"]["clip"] == pytest.approx(expected, abs=1e-5)
    assert table["cases"]["second"]["nothing"]["clip"] is None  # it has no prompt
    assert table["means"][0]["counts"]["clip"] == 1


def rows(work):
    """The table, but for times."""
    table = json.loads((work / "out" / "table.json").read_text())
    for case in table["cases"].values():
        for scores in case.values():
            for name in ("seconds", "seconds_compile"):
                scores.pop(name, None)
    return table["cases"], table["methods"], table["ruler"]


@pytest.mark.long
def test_two_shards_at_once_make_what_one_run_makes(work, tmp_path_factory):
    methods = "--methods=nothing,forward_warp"
    whole = tmp_path_factory.mktemp("whole")
    shutil.copytree(work / "cases", whole / "cases")
    with ThreadPoolExecutor(3) as pool:
        *parts, alone = [
            pool.submit(evaluate, folder, methods, *flag)
            for folder, *flag in ((work, "--shard=0/2"), (work, "--shard=1/2"), (whole,))
        ]
        done = [part.result() for part in (*parts, alone)]
    assert [(one.returncode, one.stderr) for one in done] == [(0, "")] * 3
    said = "".join(one.stdout for one in done[:2])
    assert "table.md: 2 cases" in said  # the last one has written it; both, if they end together
    assert rows(work) == rows(whole)
    for name in ("sheet.png", *(f"{case}/forward_warp.png" for case in ("first", "second"))):
        np.testing.assert_array_equal(
            images.read(work / "out" / name), images.read(whole / "out" / name)
        )


def test_a_shard_alone_makes_its_cases_and_no_table(work):
    done = evaluate(work, "--methods=nothing", "--shard=1/2")
    assert (done.returncode, done.stderr) == (0, "")
    assert "shard 1/2 is done, cases: 1;" in done.stdout
    out = work / "out"
    assert {path.name for path in out.iterdir()} == {"second"}
    before = (out / "second" / "nothing.png").stat().st_mtime_ns
    assert evaluate(work, "--methods=nothing").returncode == 0
    assert (out / "table.md").exists()
    assert (out / "second" / "nothing.png").stat().st_mtime_ns == before


def broken_flow(folder):
    (folder / "flow.npz").write_bytes(b"PK\x03\x04")


def still_flow(folder):
    files.write(folder / "flow.npz", np.zeros((H, W, 2), np.float32))


@pytest.mark.parametrize(
    ("harm", "arguments", "named"),
    [
        (broken_flow, (), "second/flow.npz: broken"),
        (still_flow, (), "second/flow.npz: zero everywhere; expected pixels that move"),
        (None, ("--steps=1",), "--steps: 1; expected 4 to 500"),
        (None, ("--methods=",), "--methods: none given; expected some of patch, nothing, "),
        (None, ("--model=x", "--presets="), "--presets: none given; expected some of paper, "),
        (None, ("--methods=nothing", "--model=x"), "--model: x: no such file"),
        (None, ("--methods=nothing", "--seed=4294967296"), "--seed: 4294967296 is outside"),
        (None, ("--methods=nothing", "--recursions=0"), "--recursions: read by none of the"),
        (None, ("--model=x", "--presets=magic"), "--presets: magic; expected some of paper, "),
        (None, ("--methods=stable_diffusion", "--model=x", "--steps=1000"), "expected 1 to 999"),
        (None, ("--methods=stable_diffusion", "--model=x", "--steps=2"), "x: no such file"),
        (None, ("--methods=nothing", "--steps=5"), "--steps: read by none of the methods; expec"),
        (None, ("--dtype=bfloat16",), "--dtype: read by none of the methods; expected none"),
        (None, ("--shard=2/2",), "--shard: 2/2; expected auto, or 0/4 to 3/4 for one of four"),
        (None, ("--distributed",), "--distributed: coordinator_address should be defined.; expec"),
        (None, ("--distributed", "--coordinator=a:1"), "--processes: none given; expected one wi"),
        (None, ("--coordinator=a:1",), "--coordinator: without --distributed; expected both"),
        (None, ("--presets=fast",), "--presets: read by none of the methods; expected none"),
    ],
)
def test_bad_input_is_one_line_before_any_work(work, harm, arguments, named):
    if harm is not None:
        harm(work / "cases" / "second")
    done = evaluate(work, *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert named in done.stderr
    assert not (work / "out").exists()
