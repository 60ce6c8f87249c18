"""A convolution of repeated pixels, in both directions and in both forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mg_jax.nn import doubling
from mg_jax.nn.doubling import convolve_doubled

from ...drawing import inputs


def exact(x, kernel):
    """In float64, as it is said."""
    repeated = np.repeat(np.repeat(np.asarray(x, np.float64), 2, 1), 2, 2)
    padded = np.pad(repeated, ((0, 0), (1, 1), (1, 1), (0, 0)))
    _, h, w, _ = repeated.shape
    return sum(
        padded[:, row : row + h, column : column + w] @ np.asarray(kernel, np.float64)[row, column]
        for row in range(3)
        for column in range(3)
    )


@pytest.mark.parametrize("shape", [(2, 3, 5, 4), (1, 1, 1, 3), (1, 6, 2, 40)])
@pytest.mark.parametrize("form", [convolve_doubled, doubling._spread, doubling._repeated])
@pytest.mark.parametrize(("dtype", "allowed"), [("float32", 1e-5), ("bfloat16", 4e-2)])
def test_it_is_the_convolution_of_repeated_pixels(shape, form, dtype, allowed):
    x = jnp.asarray(inputs(0, *shape), dtype)
    kernel = jnp.asarray(inputs(1, 3, 3, shape[-1], 36) * shape[-1] ** -0.5 / 3, dtype)
    found = form(x, kernel)
    assert found.dtype == x.dtype
    np.testing.assert_allclose(np.asarray(found, np.float64), exact(x, kernel), atol=3 * allowed)


@pytest.mark.parametrize("form", [doubling._spread, doubling._repeated])
def test_its_gradients_are_those_of_a_linear_function(form):
    x, along = (jnp.asarray(inputs(seed, 1, 4, 5, 3)) for seed in (0, 1))
    kernel, kernel_along = (jnp.asarray(inputs(seed, 3, 3, 3, 2)) for seed in (2, 3))
    slope = jnp.asarray(inputs(4, 1, 8, 10, 2))
    of_x, of_kernel = jax.vjp(form, x, kernel)[1](slope)
    np.testing.assert_allclose(
        jnp.vdot(of_x, along), np.vdot(exact(along, kernel), slope), rtol=1e-4
    )
    np.testing.assert_allclose(
        jnp.vdot(of_kernel, kernel_along), np.vdot(exact(x, kernel_along), slope), rtol=1e-4
    )


def test_on_cpu_half_precision_has_no_dilated_convolution():
    x = jnp.zeros((1, 8, 8, 64), jnp.bfloat16)
    kernel = jnp.zeros((3, 3, 64, 64), jnp.bfloat16)
    lowered = jax.jit(convolve_doubled).trace(x, kernel).lower(lowering_platforms=("cpu",))
    assert "convolution" not in lowered.as_text()
