"""The program that asks the TPU's compiler: its flags."""

import pytest

from ..programs import program


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--size=200", "--size: 200; expected a multiple of 64"),
        ("--topology=v99:2x2", "--topology: v99:2x2: "),
    ],
)
def test_bad_flags_are_one_line(flag, said):
    run = program("experiments.tpu_figures", flag)
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1].startswith(said)
