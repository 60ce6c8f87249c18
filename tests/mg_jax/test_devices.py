"""Samples over devices: eight pretended ones, or two processes, each in processes of their own."""

import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import mg_jax

ROOT = Path(__file__).parents[2]


def run(module, *arguments, devices):
    """Run a module of these tests on so many pretended devices."""
    pretended = f"--xla_force_host_platform_device_count={devices}"
    done = subprocess.run(
        [sys.executable, "-m", f"tests.mg_jax.{module}", *map(str, arguments)],
        env={**os.environ, "XLA_FLAGS": f"{os.environ['XLA_FLAGS']} {pretended}"},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("check", ["samples_are_dealt_out_evenly", "weights_go_to_every_device"])
def test_what_is_where(check):
    run("eight_devices", check, devices=8)


@pytest.mark.long
@pytest.mark.parametrize(
    "check",
    [
        "a_shard_on_every_device_and_no_word_between_them",
        "each_sample_is_what_one_device_makes",
        "attention_is_fused_for_tpus_and_nvidia",
        "what_couples_samples_is_refused",
    ],
)
def test_eight_edits_on_eight_devices(check):
    run("eight_devices", check, devices=8)


def results(folder):
    return {int(path.name): mg_jax.Result.load(path) for path in sorted(folder.iterdir())}


def free_port():
    with socket.socket() as listening:
        listening.bind(("localhost", 0))
        return listening.getsockname()[1]


@pytest.fixture(scope="module", params=["batch", "samples"])
def made(request, tmp_path_factory):
    """Four edits, or samples, by four devices, and by two processes with two each."""
    work = tmp_path_factory.mktemp(request.param)
    run("edits_on_devices", request.param, work / "4", 4, devices=4)
    address = f"localhost:{free_port()}"

    def process(number):
        place = (work / "2x2", 2, address, number)
        run("edits_on_devices", request.param, *place, devices=2)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(process, range(2)))
    return request.param, {path.name: results(path) for path in work.iterdir()}


def flat(found):
    """All pictures and energies, in the order of the edits or samples."""
    in_order = [found[number] for number in sorted(found)]
    pictures = np.concatenate([result.images for result in in_order])
    return pictures, np.concatenate([result.history.energy for result in in_order], axis=1)


@pytest.mark.long
def test_processes_make_what_devices_make(made):
    kind, found = made
    assert list(found["2x2"]) == ([0, 1, 2, 3] if kind == "batch" else [0, 2])
    for one, other in zip(flat(found["2x2"]), flat(found["4"]), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.long
def test_devices_make_what_one_makes_but_for_rounding(tmp_path):
    for count in (1, 3):
        run("edits_on_devices", "samples", tmp_path / str(count), count, devices=count)
    (pictures, energy), (alone, of_one) = (flat(results(tmp_path / name)) for name in ("3", "1"))
    assert pictures.shape == alone.shape
    assert len(pictures) == 4
    np.testing.assert_allclose(energy, of_one, rtol=1e-2)
    assert (np.abs(pictures.astype(int) - alone).max(axis=-1) > 1).mean() < 0.02
    for i, one in enumerate(pictures[1:], 1):
        assert (one != pictures[0]).any(), i
