"""What was kept comes back: bit for bit, or as another type, or with every fault in one line."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mg_jax import weights

SHAPES = {"a.0.kernel": (3, 3, 2, 4), "a.0.bias": (4,), "b": (5, 2)}


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return {name: jnp.asarray(rng.normal(size=s), jnp.float32) for name, s in SHAPES.items()}


@pytest.fixture
def kept(arrays, tmp_path):
    weights.save(tmp_path / "kept", arrays)
    return tmp_path / "kept"


def test_what_was_kept_comes_back_bit_for_bit(arrays, kept):
    again = weights.restore(kept, SHAPES, dtype=jnp.float32)
    assert again.keys() == arrays.keys()
    assert all(np.array_equal(again[name], arrays[name]) for name in SHAPES)
    assert weights.shapes(kept) == SHAPES


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_another_type_is_the_same_as_a_cast(arrays, kept, dtype):
    again = weights.restore(kept, SHAPES, dtype=dtype)
    for name, array in arrays.items():
        assert again[name].dtype == dtype
        np.testing.assert_array_equal(again[name], array.astype(dtype))


def test_arrays_go_where_the_sharding_says(kept):
    mesh = jax.make_mesh((1,), ("b",), axis_types=(jax.sharding.AxisType.Auto,))
    everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    again = weights.restore(kept, SHAPES, dtype=jnp.float32, sharding=everywhere)
    assert {array.sharding for array in again.values()} == {everywhere}


def test_all_faults_are_told_in_one_line(kept):
    wanted = {"a.0.kernel": (3, 3, 2, 5), "a.0.bias": (4,), "c": (1,)}
    with pytest.raises(ValueError, match="kept") as caught:
        weights.restore(kept, wanted, dtype=jnp.float32)
    text = str(caught.value)
    assert "\n" not in text
    assert "a.0.kernel: shape (3, 3, 2, 4), expected (3, 3, 2, 5)" in text
    assert "b: no parameter has this name" in text
    assert "c: no array fills this parameter" in text


def test_a_damaged_folder_is_told_in_one_line_and_nothing_is_logged(kept, caplog, capfd):
    for file in kept.rglob("manifest.ocdbt"):
        file.write_bytes(b"x")
    with pytest.raises(ValueError, match="kept: ") as caught:
        weights.restore(kept, SHAPES, dtype=jnp.float32)
    assert "\n" not in str(caught.value)
    assert caplog.records == []
    assert capfd.readouterr().err == ""


def test_a_missing_folder_is_told_in_one_line(tmp_path):
    with pytest.raises(ValueError, match="nothing: broken"):
        weights.restore(tmp_path / "nothing", SHAPES, dtype=jnp.float32)
