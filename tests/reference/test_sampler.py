"""The sampler, losses, flow network and networks of the reference itself, run beside ours.

    MOTION_GUIDANCE_CLONE=DIR make test-reference

needs a clone of github.com/dangeng/motion_guidance, which this does not fetch: without one it is
skipped. All that is theirs is run as it is, but in float64; experiments/pytorch_reference.py says
how, and what stands in for what is absent. Ours starts from the same latent and replays the same
noise.
"""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest

from experiments import comparison, fetch_weights, jax_run, pytorch_reference
from experiments.comparison import Job
from experiments.subprocesses import alone

CLONE = os.environ.get("MOTION_GUIDANCE_CLONE", "")
pytestmark = [
    pytest.mark.skipif(not CLONE, reason="MOTION_GUIDANCE_CLONE names no clone of the reference"),
    pytest.mark.skipif(importlib.util.find_spec("einops") is None, reason="needs einops"),
    pytest.mark.parametrize("stored", [True, False], ids=["cached latents", "fresh noise"]),
]


@pytest.fixture(scope="module")
def raft_sintel(tmp_path_factory) -> str:
    return str(fetch_weights.fetch("raft-sintel", tmp_path_factory.mktemp("weights")))


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # threads that wait for each other waste a busy CPU


def test_a_run_is_the_references(stored, raft_sintel):
    """With a thousandth of the push: see `comparison.gentle`."""
    job = comparison.gentle(Job("tiny", 128, 10, 3, stored, raft_sintel))
    theirs = alone(pytorch_reference.run, Path(CLONE), job)
    ours = alone(jax_run.run, job)
    assert ours.final.dtype == theirs.final.dtype == np.float64
    assert ours.energy.shape == theirs.energy.shape == (30,)
    found = comparison.agreement(ours, theirs, job.clip)
    assert 0.5 < found.clipped < 1
    assert found.final < 1e-6
    assert found.energy < 1e-6
    assert found.push < 1e-6


def test_each_level_is_the_references_at_the_papers_strengths(stored, raft_sintel):
    """Each from the reference's own latent, as what is guided so hard is chaotic."""
    job = Job("tiny", 128, 10, 2, stored, raft_sintel)
    theirs = alone(pytorch_reference.run, Path(CLONE), job)
    ours = alone(jax_run.run, job, theirs.begun)
    assert ours.energy.shape == theirs.energy.shape == (20,)
    found = comparison.agreement(ours, theirs, job.clip)
    assert 0.1 < found.clipped < 0.9
    assert found.energy < 1e-6
    assert found.push < 1e-6
    edited = ~comparison.data(job).keep
    for our_latent, their_latent in zip(ours.reached, theirs.reached, strict=True):
        distance = np.linalg.norm((our_latent - their_latent) * edited)
        assert distance < 1e-4 * np.linalg.norm(their_latent * edited)
