"""The benchmark's bad input; its runs need PyTorch and a clone of the reference."""

import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from experiments import comparison, pytorch_reference
from experiments.comparison import SIZES, Job, Run
from flows.geometry import occlusion_mask

JOB = Job("tiny", size=128, levels=2, recursions=3, stored=True, flow_model="raft-sintel")


def benchmark(*flags):
    return subprocess.run(
        [sys.executable, "-m", "experiments.benchmark", *flags], capture_output=True, text=True
    )


@pytest.fixture
def clone(tmp_path):
    """Something that looks like a clone."""
    for name in pytorch_reference.NEEDED:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([], "reference_dir"),
        (["--reference_dir=nowhere"], "nowhere: has no losses.py"),
        (["--reference_dir={clone}", "--steps=7"], "--steps: 7; expected a divisor of 1000"),
        (["--reference_dir={clone}", "--size=100"], "--size: 100"),
        (["--reference_dir={clone}", "--recursions=1"], "--recursions: 1"),
        (["--reference_dir={clone}", "--flow_model=raft-small"], "raft-small"),
        (["--reference_dir={clone}", "--network_size=huge"], "network_size"),
    ],
)
def test_bad_input_is_one_line_that_names_it(clone, flags, said):
    done = benchmark(*(flag.format(clone=clone) for flag in flags))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr


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
    edited = np.ones((1, 2, 2, 1), bool)
    assert comparison.level_errors(run, run, edited) == [0]
    assert comparison.level_errors(run._replace(reached=run.reached * 2), run, edited) == [
        pytest.approx(1)
    ]


def test_both_architectures_have_an_eighth_as_wide_latents():
    assert {1 << (len(sizes.vae) - 1) for sizes in SIZES.values()} == {comparison.FACTOR}
