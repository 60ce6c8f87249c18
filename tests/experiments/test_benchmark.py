"""The benchmark: bad input, its table, ours measured small, and the data of its comparisons.

The comparisons themselves need PyTorch and a clone of the reference: see tests/reference.
"""

import json
import math
import subprocess
import sys
import time
from functools import partial

import jax.numpy as jnp
import numpy as np
import pytest

from experiments import comparison, pytorch_reference, subprocesses
from experiments.benchmarks import figures, guided_step, patch, scaling, step
from experiments.benchmarks.figures import OURS, REFERENCE, Figure
from experiments.comparison import SIZES, Job, Run
from flows.geometry import occlusion_mask
from mg_jax import PatchSettings

from ..programs import program

JOB = Job("tiny", size=128, levels=2, recursions=3, stored=True, flow_model="raft-sintel")


@pytest.fixture
def clone(tmp_path):
    """Something that looks like a clone."""
    for name in pytorch_reference.NEEDED:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


BAD = [
    (["--measure=speed"], "--measure: speed; expected some of agreement, step,"),
    (["--measure="], "--measure: empty"),
    (["--precision=float16"], "--precision: float16"),
    (["--remat=all"], "--remat: all"),
    (["--batches=1,zero"], "--batches: zero"),
    (["--sizes=128,200"], "--sizes: 200"),
    (["--lengths=1"], "--lengths: 1"),
    (["--steps=1"], "--steps: 1"),
    (["--repetitions=0"], "repetitions"),
    (["--flow_model=nowhere.pth"], "nowhere.pth: no such weights"),
    (["--pytorch=fast", "--flow_model={clone}/w.safetensors"], "--pytorch: fast"),
    (["--measure=patch", "--out={clone}/losses.py"], "--out={clone}/losses.py"),
    (["--reference_dir=nowhere"], "nowhere: has no losses.py"),
    (["--reference_dir={clone}", "--steps=7"], "--steps: 7; expected a divisor of 1000"),
    (["--reference_dir={clone}", "--size=100"], "--size: 100"),
    (["--reference_dir={clone}", "--recursions=1"], "--recursions: 1"),
    (["--reference_dir={clone}", "--flow_model=raft-small"], "raft-small"),
    (["--reference_dir={clone}", "--network_size=huge"], "network_size"),
]


EACH = """
import contextlib, io, json, sys
from absl.testing import flagsaver
from experiments import benchmark, command

benchmark.alone = lambda _: {"backend": "cpu"}  # takes seconds
told = []
for flags in json.load(sys.stdin):
    out, error = io.StringIO(), io.StringIO()
    with flagsaver.flagsaver(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        try:
            command.attempt(benchmark.main, command.parse(["benchmark", *flags]))
            status = 0
        except SystemExit as end:
            status = end.code
    told.append([status, out.getvalue(), error.getvalue()])
print(json.dumps(told))
"""


def test_bad_input_is_one_line_that_names_it(clone):
    """In one process, which is not this one: other programs here define the same flags."""
    flags = [[flag.format(clone=clone) for flag in line] for line, _ in BAD]
    done = subprocess.run(
        [sys.executable, "-c", EACH], input=json.dumps(flags), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    for (_, said), (status, out, error) in zip(BAD, json.loads(done.stdout), strict=True):
        assert (status, out) == (1, ""), said
        assert error.count("\n") == 1
        assert said.format(clone=clone) in error


MEASURED = {
    "hardware": [Figure("product", "the device", (2.0, 1.0, 4.0), operations=4, limit=2.0)],
    "step": [
        Figure("a step", OURS, (0.5, 0.25, 1.0), memory=3 << 30, operations=1 << 40, limit=4e12),
        Figure("a step", REFERENCE, (5.0,), note="a clone"),
        Figure("another", OURS, (), note="not enough memory"),
        Figure("another", REFERENCE, (1.0,)),
        Figure("difference", REFERENCE, (1e-9, 2e-7), unit=""),
    ],
}


def rows(text):
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]


def test_a_row_has_median_range_repetitions_and_shares():
    head, _, *body = rows(figures.table(MEASURED))
    assert {len(row) for row in body} == {len(head)}
    found = {(row[0], row[1]): dict(zip(head[2:-1], row[2:-1], strict=True)) for row in body}
    ours = found["a step", OURS]
    assert (ours["median"], ours["min – max"], ours["n"]) == ("0.5 s", "0.25 – 1", "3")
    assert (ours["times ours"], ours["peak GiB"], ours["Top/s"]) == ("", "3.00", "2.2")
    assert ours["of limit"] == "55%"
    assert found["a step", REFERENCE]["times ours"] == "10"
    assert found["product", "the device"]["of limit"] == "100%"
    assert found["another", OURS]["median"] == "–"
    assert found["another", OURS]["n"] == "0"
    assert found["another", REFERENCE]["times ours"] == ""
    assert found["difference", REFERENCE]["median"] == "1.0e-07"
    assert [row[0] for row in body if row[1] == ""] == ["**hardware**", "**step**"]


def test_the_file_holds_what_the_table_shows():
    step, _, without, *_ = json.loads(json.dumps(figures.contents(MEASURED["step"])))
    assert step["values"] == [0.5, 0.25, 1.0]
    assert (step["median"], step["share"]) == (0.5, pytest.approx(2**40 / 0.5 / 4e12))
    assert (without["median"], without["share"]) == (None, None)


@pytest.mark.long
def test_the_operations_of_a_step_grow_with_the_batch_and_not_with_the_schedule():
    job = JOB._replace(flow_model="raft-small", precision="float32")
    operations = guided_step.operations(job)
    assert operations > 1e9
    other = job._replace(batch=2, levels=5, recursions=4, remat="nothing")
    assert guided_step.operations(other) == 2 * operations


def test_one_factor_is_changed_at_a_time():
    base = JOB._replace(precision="float32")
    jobs = scaling.jobs(base, batches=[1, 2], sizes=[128, 256], lengths=[2, 4, 8])
    assert len(jobs) == 2 + 2 + 2 * 3
    for job in jobs.values():
        changed = [a for a, b in zip(job, base, strict=True) if a != b]
        assert len(changed) <= 1


def test_ours_comes_first_and_the_reference_knows_no_bfloat16(tmp_path):
    def by(precision):
        job = JOB._replace(precision=precision)
        return [side.by for side in step.sides(job, tmp_path, ["eager", "compiled"])]

    assert by("float32")[:2] == [OURS, REFERENCE]
    assert len(by("float32")) == 4
    assert len(by("bfloat16")) == 3
    assert REFERENCE not in by("bfloat16")
    assert [side.by for side in step.sides(JOB, None, [])] == [OURS]


def made_up(energy, push, seconds=(1.0, 3.0)):
    nothing = np.zeros((1, 1, 1, 4))
    return Run(
        nothing + 1, nothing, nothing, np.array(energy), np.array(push), np.array(seconds), 5, "CPU"
    )


def stand_in(monkeypatch, ours, theirs):
    """Runs that were made before, in place of the programs, here."""
    monkeypatch.setattr(step.jax_run, "run", lambda _: ours)
    monkeypatch.setattr(step.pytorch_baseline, "run", lambda _: theirs)
    monkeypatch.setattr(subprocesses, "_apart", lambda work, _: work())


def measured(jobs, ways):
    return step.measure(jobs, None, ways, dict.fromkeys(jobs, 10), dict.fromkeys(PRODUCTS, 10.0), 1)


PRODUCTS = ("bfloat16", "tensorfloat32", "float32")


def test_a_step_is_told_with_its_agreement_and_a_whole_edit(monkeypatch):
    stand_in(monkeypatch, made_up([2.0], [1.0]), made_up([2.001], [1.0], (4.0, 4.0)))
    ours, theirs = measured([JOB.multiplying("float32")], ["eager"])
    assert (ours.unit, ours.share, ours.median, theirs.median) == ("s", 0.5, 2.0, 4.0)
    assert "5000 steps: 333 min" in theirs.note
    assert "first energy 5.0e-04 and push 0.0e+00" in theirs.note


def test_programs_are_timed_in_the_order_that_was_asked_for(monkeypatch):
    stand_in(monkeypatch, made_up([2.0], [1.0]), made_up([2.0], [1.0]))
    for asked in (PRODUCTS, PRODUCTS[::-1]):
        found = measured([JOB.multiplying(one) for one in asked], [])
        assert [one.what.split(",")[1].strip() for one in found] == list(asked)


def test_programs_that_disagree_are_not_shown_and_the_rest_goes_on(monkeypatch):
    stand_in(monkeypatch, made_up([2.0], [1.0]), made_up([2.2], [1.0]))
    with pytest.raises(ValueError, match=r"PyTorch done well, eager, float64: 1.0e-01 apart"):
        list(step.agreement(JOB, None, ["eager"], 1))
    found = []
    with pytest.raises(ValueError, match=r"first energy: 1.0e-01 apart; expected at most 1e-02"):
        found.extend(measured([JOB.multiplying("float32")], ["eager"]))
    found = measured([JOB.multiplying(one) for one in ("float32", "bfloat16")], ["eager"])
    shown = [next(found).values for _ in range(4)]
    assert [bool(values) for values in shown] == [True, False, True, True]
    stand_in(monkeypatch, made_up([2.0], [1.0]), made_up([math.nan], [1.0]))
    with pytest.raises(ValueError, match="nan apart"):
        list(step.agreement(JOB, None, ["eager"], 1))


def test_a_program_without_numbers_is_not_timed_even_alone(monkeypatch):
    stand_in(monkeypatch, made_up([math.nan], [1.0]), None)
    with pytest.raises(ValueError, match=r"ours, bfloat16, first energy: nan apart"):
        list(measured([JOB.multiplying("bfloat16")], []))


def test_tensorfloat_is_a_product_of_float32_and_judged_as_half(monkeypatch):
    stand_in(monkeypatch, made_up([2.0], [1.0]), made_up([2.2], [1.0]))
    job = JOB.multiplying("tensorfloat32")
    assert (job.precision, job.products) == ("float32", "tensorfloat32")
    assert job.multiplying("bfloat16").products == "bfloat16"
    assert all("tensorfloat32" in one.what for one in measured([job], ["eager"]))


def test_with_nobody_to_agree_with_nothing_is_run(monkeypatch):
    stand_in(monkeypatch, None, None)
    assert list(step.agreement(JOB, None, [], 1)) == []


def too_much(job):
    if job.batch > 1:
        raise subprocesses.OutOfMemoryError("too much")
    return made_up([1.0], [1.0])


def test_memory_that_does_not_suffice_is_told_and_the_rest_goes_on(monkeypatch):
    monkeypatch.setattr(scaling.jax_run, "run", too_much)
    monkeypatch.setattr(subprocesses, "_apart", lambda work, _: work())
    jobs = scaling.jobs(JOB, [1, 2], [128], [2])
    found = list(scaling.measure(jobs, dict.fromkeys(jobs.values(), 10), 1.0, 1))
    assert [figure.values for figure in found[:3]] == [(1.0, 3.0), (), (1.0, 3.0)]
    assert found[1].note == "not enough memory"


def in_turn(folder, name):
    """Write begin and end of a turn to a file that the others write, too."""
    with subprocesses.turn(), (folder / "log").open("a") as log:
        log.write(f"{name}\n")
        log.flush()
        time.sleep(0.3)
        log.write(f"{name}\n")


@pytest.mark.long
def test_processes_beside_each_other_take_turns(tmp_path):
    calls = [partial(in_turn, tmp_path, name) for name in "abc"]
    assert subprocesses.all_of(calls, 3) == [None] * 3
    told = (tmp_path / "log").read_text(encoding="utf-8").split()
    assert told[::2] == told[1::2]
    assert set(told) == set("abc")


@pytest.mark.long
def test_a_process_that_is_killed_leaves_its_turn(tmp_path):
    first, second = subprocesses.several([killed_in_turn, partial(in_turn, tmp_path, "a")], 2)
    assert isinstance(first, subprocesses.OutOfMemoryError)
    assert second is None


def killed_in_turn():
    import os

    with subprocesses.turn():
        os._exit(9)


def exhausted():
    raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes.\nAnd more.")


def broken():
    raise RuntimeError("something else")


def killed():
    import os

    os._exit(9)


@pytest.mark.long
def test_a_process_that_lacks_memory_is_told_apart():
    for function in (exhausted, killed):
        with pytest.raises(subprocesses.OutOfMemoryError) as said:
            subprocesses.alone(function)
        assert "\n" not in str(said.value)
    with pytest.raises(RuntimeError, match="something else"):
        subprocesses.alone(broken)


@pytest.mark.long
def test_the_default_edit_is_timed_from_start_to_end(tmp_path):
    """Small: one photo, few levels; the second process finds the first's programs."""
    case = patch.cases()[0]
    assert [one.photo.shape for one in patch.cases()] == [(400, 600, 3), (512, 512, 3)]
    case = case._replace(photo=case.photo[::3, ::3].copy(), flow=case.flow[::3, ::3] / 3)
    settings = PatchSettings(size=256, steps=4, recursions=1)
    kept = []  # after each process; times would depend on what else runs
    for _ in range(2):
        times = patch.in_new_process(case, settings, tmp_path)
        assert 0 < times.compiling < times.seconds
        assert times.memory > 1 << 20
        kept.append({path.name for path in (tmp_path / "mg_jax" / "programs").rglob("*-cache")})
    assert kept[0]
    assert kept[1] == kept[0]


def test_a_failing_edit_is_one_line(tmp_path):
    case = patch.cases()[0]
    with pytest.raises(ValueError, match=r"experiments.edit: .*zero everywhere"):
        patch.in_new_process(case._replace(flow=0 * case.flow), PatchSettings(), tmp_path)


@pytest.mark.long
def test_the_program_compiles_a_step_and_writes_the_table(tmp_path):
    done = program(
        "experiments.benchmark",
        *("--measure=compiling", "--flow_model=raft-small", "--precision=float32"),
        *("--repetitions=1", f"--out={tmp_path}"),
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "benchmark.md").read_text(encoding="utf-8") == done.stdout
    content = json.loads((tmp_path / "benchmark.json").read_text(encoding="utf-8"))
    assert list(content["sections"]) == ["hardware", "compiling"]
    cold, warm = content["sections"]["compiling"]
    # Which one is faster would depend on what else runs; that nothing is compiled twice is a test
    # of `experiments.compile`.
    assert [figure["what"].split(", ")[-1] for figure in (cold, warm)] == ["none kept", "from disk"]
    assert cold["median"] > 0
    assert warm["median"] > 0
    assert {"device", "jax", "python"} <= content["machine"].keys()
    assert {path.name for path in tmp_path.iterdir()} == {"benchmark.md", "benchmark.json"}


def test_the_same_job_has_the_same_data_and_the_trajectory_begins_at_the_start():
    first, second = comparison.data(JOB), comparison.data(JOB)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(first.trajectory[0], first.start)
    assert 0 < first.keep.mean() < 1


@pytest.mark.parametrize("size", [128, 256, 384, 512])
def test_some_pixels_at_rest_are_covered_and_some_are_not(size):
    flow = comparison.data(JOB._replace(size=size)).flow
    at_rest = ~flow.any(-1)
    visible = np.asarray(occlusion_mask(jnp.asarray(flow)))
    assert 0 < (~visible).sum() < at_rest.sum()
    assert visible[~at_rest].all()


def test_linear_layers_and_one_by_one_convolutions_are_drawn_alike():
    flat, window = comparison.drawn("a.weight", (3, 5)), comparison.drawn("a.weight", (3, 5, 1, 1))
    np.testing.assert_array_equal(flat, window[..., 0, 0])


def test_a_run_agrees_with_itself_and_not_with_another():
    rng = np.random.default_rng(0)
    final = rng.normal(size=(1, 2, 2, 4))
    run = Run(final, final[None], final[None], np.ones(3), np.full(3, 0.5), np.ones(2), 1, "CPU")
    assert comparison.agreement(run, run, clip=0.5) == (0, 0, 0, 1)
    other = run._replace(final=run.final * 1.5, energy=np.array([1, 1, 1.25]))
    found = comparison.agreement(other, run, clip=1.0)
    assert found[:2] == (pytest.approx(0.5), pytest.approx(0.25))
    assert found.clipped == 0


def test_both_architectures_have_an_eighth_as_wide_latents():
    assert {1 << (len(sizes.vae) - 1) for sizes in SIZES.values()} == {comparison.FACTOR}
