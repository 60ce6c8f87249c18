"""Products: those of the same numbers in float32, rounded once; in both directions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flows.nn.matmul import matmul

RNG = np.random.default_rng(0)


def drawn(*shape, dtype):
    return jnp.asarray(RNG.normal(size=shape), dtype)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("axes", [(5,), (2, 3, 4), ()])
def test_a_product_is_rounded_once(dtype, axes):
    x, matrix = drawn(*axes, 70, dtype=dtype), drawn(70, 30, dtype=dtype)
    found = matmul(x, matrix)
    assert found.dtype == x.dtype
    exact = np.asarray(x, np.float64) @ np.asarray(matrix, np.float64)
    error = np.abs(np.asarray(found, np.float64) - exact)
    assert (error <= jnp.finfo(dtype).eps * (np.abs(exact) + 1e-3) + 1e-5).all()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_its_gradients_are_products(dtype):
    x, matrix = drawn(2, 3, 50, dtype=dtype), drawn(50, 40, dtype=dtype)
    slope = drawn(2, 3, 40, dtype=dtype)
    _, pull = jax.vjp(matmul, x, matrix)
    of_x, of_matrix = pull(slope)
    assert of_x.dtype == of_matrix.dtype == x.dtype
    wide = [np.asarray(one, np.float64) for one in (x, matrix, slope)]
    for found, exact in (
        (of_x, wide[2] @ wide[1].T),
        (of_matrix, wide[0].reshape(-1, 50).T @ wide[2].reshape(-1, 40)),
    ):
        error = np.abs(np.asarray(found, np.float64) - exact)
        assert (error <= jnp.finfo(dtype).eps * (np.abs(exact) + 1e-3) + 1e-5).all()


def test_on_cpu_half_precision_is_summed_in_float32():
    def dots(dtype):
        shapes = [jax.ShapeDtypeStruct(shape, dtype) for shape in ((8, 8), (8, 8))]
        text = jax.jit(matmul).trace(*shapes).lower(lowering_platforms=("cpu",)).as_text()
        return [line.rpartition("->")[2] for line in text.splitlines() if "dot_general" in line]

    assert ["xf32" in line for line in dots(jnp.bfloat16)] == [True]
    assert ["xf32" in line for line in dots(jnp.float32)] == [True]
