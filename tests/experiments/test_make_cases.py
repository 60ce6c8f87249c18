"""Making cases from the command line."""

import subprocess
import sys

import pytest

from mg_jax import cases


def run(*flags):
    command = [sys.executable, "-m", "experiments.make_cases", *flags]
    return subprocess.run(command, capture_output=True, text=True)


def test_it_writes_whole_cases_with_answers(tmp_path):
    done = run(f"--out={tmp_path / 'made'}", "--count=2", "--size=128", "--seed=3")
    assert (done.returncode, done.stderr) == (0, "")
    folders = cases.find(tmp_path / "made")
    assert len(folders) == 2
    for folder in folders:
        case = cases.read(folder)
        assert case.answer is not None
        assert case.answer.shape == case.source.shape == (128, 128, 3)
        assert case.prompt
    again = run(f"--out={tmp_path / 'made'}", "--count=2", "--size=128", "--seed=3")
    assert again.returncode == 1
    assert "exists already" in again.stderr


@pytest.mark.parametrize(
    ("flag", "named"),
    [
        ("--count=0", "--count"),
        ("--size=16", "--size"),
        ("--photos=nowhere", "nowhere"),
        ("--cutouts=nowhere", "nowhere"),
    ],
)
def test_bad_input_is_one_line_that_names_it(tmp_path, flag, named):
    done = run(f"--out={tmp_path / 'made'}", flag)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert named in done.stderr
    assert not (tmp_path / "made").exists()
