"""Programs that are killed at any moment go on, and end with the same bits.

KILLS=20 python -m pytest tests/experiments/test_killed.py -m long  kills more often.
"""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from flows import files
from mg_jax import cases, images, trajectory
from mg_jax.cases import Case
from mg_jax.models.stable_diffusion.config import VAEConfig

from ..mg_jax.models.stable_diffusion import published

pytestmark = pytest.mark.long
KILLS = int(os.environ.get("KILLS", "1"))
CONFIG = replace(published.FIRST, vae=VAEConfig((32,) * 4, layers=1))
H, W = 128, 160
PATCH = ("--size=256", "--steps=24", "--recursions=1", "--checkpoint_every=1")
DIFFUSION = (
    "--size=128",
    "--steps=12",
    "--recursions=2",
    "--null_text=2",
    "--prompt=a cup",
    "--checkpoint_every=1",
)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A photo, a flow, and a tiny Stable Diffusion."""
    place = tmp_path_factory.mktemp("killed")
    images.write(
        place / "photo.png", np.random.default_rng(0).integers(0, 256, (H, W, 3), np.uint8)
    )
    flow = np.zeros((H, W, 2), np.float32)
    flow[40:80, 40:80] = (24, 3)
    files.write(place / "flow.npz", flow)
    published.folder(place / "model", CONFIG, published.tame(CONFIG))
    return place


def program(module, *flags):
    return subprocess.Popen(
        [sys.executable, "-m", f"experiments.{module}", *map(str, flags)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def start(place, out, *flags):
    paths = (f"--image={place / 'photo.png'}", f"--flow={place / 'flow.npz'}", f"--out={out}")
    return program("edit", *paths, *flags)


def ended(process):
    """Its status, and what it said on standard error besides notes."""
    _, told = process.communicate()
    lines = told.decode().splitlines(keepends=True)
    return process.returncode, "".join(line for line in lines if not line.startswith("note: "))


def saved(run):
    """Levels that are saved in a run's folder, of all phases."""
    return sorted(
        (phase.name, int(level.name))
        for phase in run.glob("*")
        for level in phase.glob("*")
        if level.name.isdigit()
    )


def killed(process, run, chance, number):
    """Kill the process up to a second after its next saved level, if it still runs then."""
    before = saved(run)
    after = chance.random()
    while process.poll() is None and saved(run) == before:
        time.sleep(0.002)
    time.sleep(after)
    process.send_signal(number)
    return ended(process)


def same(out, whole):
    assert (out / "edited.png").read_bytes() == (whole / "edited.png").read_bytes()
    for name in ("history.npz", "arrays.npz"):
        with np.load(out / name) as ours, np.load(whole / name) as wanted:
            assert ours.keys() == wanted.keys()
            for key in wanted:
                np.testing.assert_array_equal(ours[key], wanted[key])
    assert not (out / "checkpoint").exists()


@pytest.mark.parametrize("model", ["patch", "diffusion"])
def test_a_run_that_is_killed_again_and_again_ends_with_the_same_bits(place, tmp_path, model):
    flags = (f"--model={place / 'model'}", *DIFFUSION) if model == "diffusion" else PATCH
    assert ended(start(place, tmp_path / "whole", *flags))[0] == 0
    chance, out, kills = random.Random(0), tmp_path / "out", 0
    phases = set()
    while kills < KILLS:
        status, told = killed(start(place, out, *flags), out / "checkpoint", chance, signal.SIGKILL)
        if status == 0:  # it was ready before: once more from the start
            same(out, tmp_path / "whole")
            shutil.rmtree(out)
            continue
        assert (status, told) == (-signal.SIGKILL, "")
        phases |= {phase for phase, _ in saved(out / "checkpoint")}
        kills += 1
    assert ended(start(place, out, *flags))[0] == 0
    same(out, tmp_path / "whole")
    print(f"{model}: {kills} kills, in {sorted(phases)}")


def test_an_inversion_that_is_killed_again_and_again_has_the_same_bits(place, tmp_path):
    def invert(out):
        paths = (f"--image={place / 'photo.png'}", f"--model={place / 'model'}", f"--out={out}")
        settings = ("--size=128", "--steps=12", "--null_text=2", "--prompt=a cup")
        return program("invert", *paths, *settings, "--checkpoint_every=1")

    whole, out = tmp_path / "whole.safetensors", tmp_path / "out.safetensors"
    assert ended(invert(whole))[0] == 0
    chance, kills, run = random.Random(2), 0, tmp_path / "out.safetensors.checkpoint"
    phases = set()
    while kills < KILLS:
        status, told = killed(invert(out), run, chance, signal.SIGKILL)
        if status == 0:
            break
        assert (status, told) == (-signal.SIGKILL, "")
        phases |= {phase for phase, _ in saved(run)}
        kills += 1
    assert ended(invert(out))[0] == 0
    ours, wanted = (trajectory.read(path) for path in (out, whole))  # their headers have no order
    assert ours.origin == wanted.origin
    for found, expected in zip(ours[:-1], wanted[:-1], strict=True):
        np.testing.assert_array_equal(found, expected)
    assert not run.exists()
    print(f"inversion: {kills} kills, in {sorted(phases)}")


def test_an_evaluation_that_is_killed_again_and_again_makes_the_same_table(place, tmp_path):
    photo, flow = images.read(place / "photo.png"), files.read(place / "flow.npz")
    for i in range(4):
        case = Case(f"case{i}", np.roll(photo, 9 * i, axis=1), flow, None, None, "")
        cases.write(tmp_path / "cases" / case.name, case)

    def evaluate(out):
        paths = (f"--cases={tmp_path / 'cases'}", f"--out={out}", "--judge=raft-small")
        return program("evaluate", *paths, "--methods=layered_warp,forward_warp")

    def pictures(out):
        return {path.relative_to(out): path.read_bytes() for path in out.glob("*/*.png")}

    def scores(out):
        """The table's rows, without times."""
        rows = json.loads((out / "table.json").read_text())["cases"]
        return {
            (case, row): {name: value for name, value in found.items() if "seconds" not in name}
            for case, of_case in rows.items()
            for row, found in of_case.items()
        }

    whole, out = tmp_path / "whole", tmp_path / "out"
    started = time.time()
    assert ended(evaluate(whole))[0] == 0
    seconds, chance, kills = time.time() - started, random.Random(3), 0
    while kills < KILLS:
        process = evaluate(out)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(chance.uniform(0.3, 1) * seconds)
        process.kill()
        if ended(process)[0] == 0:  # it was ready before: once more from the start
            assert (pictures(out), scores(out)) == (pictures(whole), scores(whole))
            shutil.rmtree(out)
        else:
            kills += 1
    assert ended(evaluate(out))[0] == 0
    assert len(pictures(whole)) == 8
    assert (pictures(out), scores(out)) == (pictures(whole), scores(whole))
    print(f"evaluation: {kills} kills")


def test_sigterm_saves_and_ends_with_143_and_one_line(place, tmp_path):
    chance, out = random.Random(1), tmp_path / "out"
    flags = (f"--model={place / 'model'}", *DIFFUSION)
    status, told = killed(start(place, out, *flags), out / "checkpoint", chance, signal.SIGTERM)
    assert status == 143
    assert told.count("\n") == 1
    assert f"saved in {out / 'checkpoint'}, the same call goes on" in told
    before = saved(out / "checkpoint")
    status, line = ended(start(place, out, *flags, "--seed=1"))
    assert status == 1
    assert line.count("\n") == 1
    assert "holds another run (seed 0, now 1)" in line
    assert saved(out / "checkpoint") == before
    assert ended(start(place, out, *flags))[0] == 0
