"""Files of weights: found, read, refused in words."""

import hashlib
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
import safetensors
import safetensors.numpy

from flows import raft
from flows.raft import weights
from flows.raft.published import Published, checkpoints


def message(call):
    with pytest.raises(ValueError, match=r"\S") as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_shipped_weights_say_where_they_are_from():
    path = weights.SHIPPED["raft-small"]
    assert path.stat().st_size < 2_000_000
    assert "princeton-vl" in (path.parent / "LICENSE").read_text()
    with safetensors.safe_open(path, "numpy") as file:
        metadata = file.metadata()
    assert metadata["original_sha256"] == checkpoints()["raft-small"].sha256
    assert "BSD-3-Clause" in metadata["license"]


def test_notices_name_the_shipped_file_by_its_hash():
    content = weights.SHIPPED["raft-small"].read_bytes()
    notices = (Path(__file__).parents[3] / "THIRD_PARTY_NOTICES.md").read_text()
    assert hashlib.sha256(content).hexdigest() in notices
    assert checkpoints()["raft-small"].sha256 in notices


def test_shipped_weights_are_raised_to_float32(small):
    assert {leaf.dtype.name for leaf in jax.tree.leaves(small.net.params)} == {"float32"}
    assert small.net.config == raft.SMALL


def test_saving_and_loading(small, tmp_path):
    path = tmp_path / "new" / "net.safetensors"
    weights.save(small.net, path, {"model": "a test"})
    assert [file.name for file in path.parent.iterdir()] == ["net.safetensors"]
    again = raft.load(str(path))
    assert same(again, small.net)


def test_a_name_that_is_nothing():
    text = message(lambda: raft.load("raft-tiny"))
    assert "raft-tiny" in text
    assert "raft-small, raft-sintel, raft-kitti" in text


def test_weights_that_were_not_fetched_name_the_command(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    text = message(lambda: raft.load("raft-sintel"))
    assert "python -m experiments.fetch_weights --name=raft-sintel" in text


def test_the_cache_is_in_the_home_folder_by_default(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert weights.cache_dir().parts[-2:] == (".cache", "mg_jax")


@pytest.mark.parametrize("content", [b"", b"garbage", b"\xff" * 64, b"\x08" + b"\x00" * 7 + b"{}"])
def test_a_file_that_is_no_safetensors(tmp_path, content):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    text = message(lambda: raft.load(str(path)))
    assert str(path) in text
    assert "safetensors" in text


def test_a_truncated_file(tmp_path):
    path = tmp_path / "half.safetensors"
    whole = weights.SHIPPED["raft-small"].read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "half.safetensors: not a readable safetensors file" in message(
        lambda: raft.load(str(path))
    )


def test_other_weights_are_refused_by_file_name(tmp_path):
    path = tmp_path / "unet.safetensors"
    safetensors.numpy.save_file({"down.weight": np.zeros(3, np.float32)}, path)
    text = message(lambda: raft.load(str(path)))
    assert str(path) in text
    assert "no RAFT weights" in text


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_read_as_float32(small, tmp_path, dtype):
    path = tmp_path / "half.safetensors"
    arrays = {name: array.astype(dtype) for name, array in raft.to_arrays(small.net.params).items()}
    safetensors.numpy.save_file(arrays, path)
    again = raft.to_arrays(raft.load(str(path)).params)
    for name, array in arrays.items():
        np.testing.assert_array_equal(again[name], array.astype(np.float32))


def test_types_that_numpy_lacks_are_refused(tmp_path):
    path = tmp_path / "eighth.safetensors"
    header = b'{"a": {"dtype": "F8_E4M3", "shape": [3], "data_offsets": [0, 3]}}'
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(3))
    text = message(lambda: raft.load(str(path)))
    assert text.startswith(f"{path}: holds a type that numpy lacks")
    assert "expected float16, bfloat16, float32 or float64" in text


def test_weights_that_are_not_finite_are_refused_by_file_and_array(small, tmp_path):
    path = tmp_path / "nan.safetensors"
    name = "update.flow.inner.bias"
    arrays = raft.to_arrays(small.net.params)
    safetensors.numpy.save_file(arrays | {name: arrays[name] * np.float32("nan")}, path)
    text = message(lambda: raft.load(str(path)))
    assert text == f"{path}: {name}: holds NaN or infinite numbers; expected finite floats"


def test_an_unknown_kind_of_file(tmp_path):
    path = tmp_path / "raft.ckpt"
    path.write_bytes(b"x")
    assert ".safetensors, .pth or .pt" in message(lambda: raft.load(str(path)))


def test_a_pytorch_file_without_torch(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    path = tmp_path / "raft.pth"
    path.write_bytes(b"x")
    text = message(lambda: raft.load(str(path)))
    assert "needs torch" in text
    assert str(path) in text


def test_published_checkpoints_hold_all_of_raft():
    for name, known in checkpoints().items():
        empty = {array: np.zeros(place[1:], np.float32) for array, place in known.arrays.items()}
        assert raft.build(empty).config.name == ("small" if name == "raft-small" else "large")


def test_a_published_checkpoint_is_read_by_place(small, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    content, known = published_like(small.net)
    monkeypatch.setattr("flows.raft.published.checkpoints", lambda: {"raft-small": known})
    path = tmp_path / "raft-small.pth"
    path.write_bytes(content)
    assert same(raft.load(str(path)), small.net)


def test_another_file_in_the_place_of_a_published_one(small):
    content, known = published_like(small.net)
    assert f"expected {known.size}" in message(lambda: known.extract(content[:-1]))
    assert f"expected {known.sha256}" in message(lambda: known.extract(b"x" + content[1:]))


def same(a: raft.Raft, b: raft.Raft) -> bool:
    pairs = zip(jax.tree.leaves(a.params), jax.tree.leaves(b.params), strict=True)
    return all(np.array_equal(x, y) for x, y in pairs)


def published_like(net: raft.Raft) -> tuple[bytes, Published]:
    """A file of arrays in our own layout, one after another, and the table for it."""
    content, places = b"a pickle, unread", {}
    for name, array in raft.to_arrays(net.params).items():
        places[name] = (len(content), *array.shape)
        content += array.astype("<f4").tobytes()
    digest = hashlib.sha256(content).hexdigest()
    return content, Published("raft-small", len(content), digest, places)
