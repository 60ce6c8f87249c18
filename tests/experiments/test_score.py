"""Scoring finished pictures from the command line."""

import json

import numpy as np
import pytest

from experiments import motion_flags
from flows import files
from mg_jax import images

from ..programs import program

H, W = 128, 160


@pytest.fixture
def folder(tmp_path):
    photo = images.resize(images.read(motion_flags.IMAGE), H, W)
    images.write(tmp_path / "photo.png", photo)
    images.write(tmp_path / "small.png", photo[: H // 2])
    flow = np.zeros((H, W, 2), np.float32)
    flow[30:100, 40:120] = (8, 0)
    files.write(tmp_path / "flow.npz", flow)
    return tmp_path


def score(folder, result, judge="raft-small", flow="flow.npz"):
    flags = {"source": "photo.png", "result": result, "flow": flow, "judge": judge}
    named = [f"--{k}={v if k == 'judge' else folder / v}" for k, v in flags.items()]
    return program("experiments.score", *named)


def test_doing_nothing_changes_no_background_and_misses_the_motion(folder):
    done = score(folder, "photo.png")
    assert (done.returncode, done.stderr) == (0, "")
    scores = json.loads(done.stdout)
    assert scores["background_l1"] == 0
    assert scores["flow_epe_moved_px"] == pytest.approx(8, abs=0.5)
    assert scores["judged_moved"] > 0.5
    assert scores["color_l1_moved"] > 0


@pytest.mark.parametrize(
    ("value", "says"), [(0, "zero everywhere"), (1e30, "goes 1e+30 pixels far")]
)
def test_a_flow_that_nothing_can_have_is_refused(folder, value, says):
    np.savez(folder / "bad.npz", flow=np.full((H, W, 2), value, np.float32))
    done = score(folder, "photo.png", flow="bad.npz")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{folder / 'bad.npz'}: {says}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("result", "judge", "named"),
    [("small.png", "raft-small", "small.png"), ("photo.png", "raft-huge", "raft-huge")],
)
def test_bad_input_is_one_line_that_names_it(folder, result, judge, named):
    done = score(folder, result, judge)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert named in done.stderr
