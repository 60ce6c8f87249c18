"""The well-done PyTorch of the benchmark does what ours does; its RAFT is drawn, not downloaded."""

import importlib.util

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from experiments import comparison, jax_run, pytorch_baseline
from experiments.comparison import Job
from experiments.subprocesses import alone

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("diffusers") is None, reason="needs diffusers"
)


@pytest.fixture(scope="module")
def raft_drawn(tmp_path_factory) -> str:
    from torchvision.models.optical_flow import raft_large

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "raft_drawn.safetensors"
    save_file(raft_large().state_dict(), path)
    return str(path)


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # threads that wait for each other waste a busy CPU


@pytest.mark.parametrize(
    ("stored", "batch"), [(True, 1), (False, 2)], ids=["cached latents", "fresh noise, two samples"]
)
def test_a_run_is_ours(stored, batch, raft_drawn):
    """In float64 and with a thousandth of the push: see `comparison.gentle`."""
    job = comparison.gentle(Job("tiny", 128, 2, 2, stored, raft_drawn))._replace(batch=batch)
    theirs = alone(pytorch_baseline.run, job)
    ours = alone(jax_run.run, job)
    assert ours.final.dtype == theirs.final.dtype == np.float64
    assert ours.final.shape == theirs.final.shape == (batch, 16, 16, 4)
    assert ours.energy.shape == theirs.energy.shape == (4 * batch,)
    assert ours.seconds.shape == theirs.seconds.shape == (1,)
    found = comparison.agreement(ours, theirs, job.clip)
    assert 0 < found.clipped <= 1
    assert found.final < 1e-6
    assert found.energy < 1e-6
    assert found.push < 1e-6


@pytest.mark.parametrize(("precision", "near"), [("float32", 1e-4), ("bfloat16", 0.2)])
def test_networks_of_less_precision_begin_as_ours_do(precision, near, raft_drawn):
    """The first energy, and a push that is not clipped: rounding has not been amplified yet."""
    job = Job("tiny", 128, 1, 1, True, raft_drawn, precision, guidance_weight=0.3)
    theirs, ours = alone(pytorch_baseline.run, job), alone(jax_run.run, job)
    assert ours.final.dtype == theirs.final.dtype == np.float32
    assert ours.seconds.size == theirs.seconds.size == 0  # the only level warms up
    found = comparison.agreement(ours, theirs, job.clip)
    assert found.clipped == 0
    assert found.energy < near
    assert found.push < near
    assert found.final < near
