"""Flow networks are found by name and by what a file holds."""

import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from flows import gmflow, networks, raft
from flows.gmflow.published import checkpoint
from flows.interfaces import FlowNetwork
from flows.raft.weights import SHIPPED, save


@pytest.fixture(scope="module")
def own() -> gmflow.GMFlow:
    """A GMFlow with weights of the published shapes."""
    rng = np.random.default_rng(0)
    shapes = {name: place[1:] for name, place in checkpoint().arrays.items()}
    return gmflow.build({name: rng.random(shape, np.float32) for name, shape in shapes.items()})


def message(call) -> str:
    with pytest.raises(ValueError, match=r"\S") as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_all_names():
    assert networks.NAMES == ("raft-small", "raft-sintel", "raft-kitti", "gmflow")


def test_what_ships_and_its_file_are_raft():
    assert isinstance(networks.load(), raft.Raft)
    found = networks.load(str(SHIPPED["raft-small"]), dtype=jnp.bfloat16)
    assert isinstance(found, raft.Raft)


def test_fetched_weights_are_found_by_name_and_by_file(own, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = tmp_path / "mg_jax" / "gmflow.safetensors"
    save(own, path, {"model": "gmflow"})
    other = path.rename(tmp_path / "other.safetensors")
    assert isinstance(networks.load(str(other)), gmflow.GMFlow)
    text = message(lambda: networks.load("gmflow"))
    assert "python -m experiments.fetch_weights --name=gmflow" in text
    other.rename(path)
    found = networks.load("gmflow")
    kernel = "encoder.branch.kernel"
    assert np.array_equal(raft.to_arrays(found.params)[kernel], raft.to_arrays(own.params)[kernel])


def test_all_are_flow_networks(own):
    assert all(isinstance(net, FlowNetwork) for net in (own, networks.load()))


def test_a_name_that_is_nothing():
    text = message(lambda: networks.load("gmflow-tiny"))
    assert text.endswith("expected a file or one of raft-small, raft-sintel, raft-kitti, gmflow")


def test_a_file_that_is_nobodys(tmp_path):
    path = tmp_path / "unet.safetensors"
    safetensors.numpy.save_file({"down.weight": np.zeros(3, np.float32)}, path)
    assert f"{path}: no RAFT weights" in message(lambda: networks.load(str(path)))
    path.write_bytes(b"garbage")
    assert "not a readable safetensors file" in message(lambda: networks.load(str(path)))


def test_another_networks_file_is_refused_by_name(tmp_path):
    text = message(lambda: gmflow.load(str(SHIPPED["raft-small"])))
    assert text.startswith(f"{SHIPPED['raft-small']}: no GMFlow weights")
    missing = message(lambda: gmflow.load(str(tmp_path / "none.safetensors")))
    assert "none.safetensors: not a readable safetensors file" in missing
