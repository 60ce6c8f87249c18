"""Arrays of every kind that files hold."""

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from mg_jax.checkpoints import arrays


@pytest.mark.parametrize("dtype", [ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2])
def test_8_bit_floats_are_widened(tmp_path, dtype):
    values = np.array([[0.5, -1.75, 0.0], [224.0, 2.0**-6, -448.0]], np.float32).astype(dtype)
    file = tmp_path / "a.safetensors"
    between = np.arange(5, dtype=np.float32)
    content = {"a": between, "b": values, "c": between, "d": np.asarray(values[0, 0], dtype)}
    safetensors.numpy.save_file(content, file)
    found = arrays.read(file).arrays
    assert (found["b"].dtype, found["b"].shape) == (np.dtype(dtype).name, (2, 3))
    assert found["b"].read().dtype == np.float32
    np.testing.assert_array_equal(found["b"].read(), values.astype(np.float32))
    np.testing.assert_array_equal(found["d"].read(), np.float32(0.5))
    np.testing.assert_array_equal(found["c"].read(), between)


def test_metadata_is_kept(tmp_path):
    file = tmp_path / "a.safetensors"
    safetensors.numpy.save_file({"a": np.zeros(1)}, file, {"modelspec.title": "a"})
    assert arrays.read(file).metadata == {"modelspec.title": "a"}


@pytest.mark.parametrize("page", ["<!DOCTYPE html><html>", "\n<HTML><body>"])
def test_a_web_page_is_told_as_such(tmp_path, page):
    file = tmp_path / "a.safetensors"
    file.write_text(page)
    with pytest.raises(ValueError, match=r"is a web page, not weights; download them again$"):
        arrays.read(file)


def test_halves_are_as_they_are(tmp_path):
    file = tmp_path / "a.safetensors"
    safetensors.numpy.save_file({"a": np.ones(2, jnp.bfloat16)}, file)
    assert arrays.read(file).arrays["a"].dtype == "bfloat16"
