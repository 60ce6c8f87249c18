"""The convolution and its own gradient against JAX's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flows.nn.convolution import convolve


def by_jax(x, kernel, stride):
    padding = [(side // 2, side // 2) for side in kernel.shape[:2]]
    return jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


@pytest.mark.parametrize("size", [(12, 10), (11, 13)])
@pytest.mark.parametrize(
    ("kernel", "stride"), [((3, 3), 1), ((3, 3), 2), ((7, 7), 2), ((1, 1), 2), ((1, 5), 1)]
)
def test_values_and_both_gradients(size, kernel, stride):
    keys = jax.random.split(jax.random.key(0), 3)
    x = jax.random.normal(keys[0], (2, *size, 4))
    weights = jax.random.normal(keys[1], (*kernel, 4, 6))
    found, back = jax.vjp(lambda x, k: convolve(x, k, stride), x, weights)
    expected, back_by_jax = jax.vjp(lambda x, k: by_jax(x, k, stride), x, weights)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    cotangent = jax.random.normal(keys[2], found.shape)
    for ours, theirs in zip(back(cotangent), back_by_jax(cotangent), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4)


def test_gradient_in_half_precision_keeps_the_dtype():
    x, kernel = jnp.ones((1, 8, 8, 2), jnp.bfloat16), jnp.ones((3, 3, 2, 2), jnp.bfloat16)
    gradients = jax.grad(lambda x, k: convolve(x, k, 1).sum().astype(jnp.float32), (0, 1))(
        x, kernel
    )
    assert [gradient.dtype for gradient in gradients] == [jnp.bfloat16, jnp.bfloat16]


@pytest.mark.parametrize("kernel", [(3, 3), (1, 1), (1, 5)])
def test_wide_ones_in_half_precision_are_those_of_the_same_numbers_rounded(kernel):
    """On CPU they are products tap by tap; the sum is rounded once."""
    keys = jax.random.split(jax.random.key(0), 3)
    x = jax.random.normal(keys[0], (2, 9, 7, 48), jnp.bfloat16)
    weights = jax.random.normal(keys[1], (*kernel, 48, 40), jnp.bfloat16)
    slope = jax.random.normal(keys[2], (2, 9, 7, 40), jnp.bfloat16)
    found, back = jax.vjp(lambda x, k: convolve(x, k, 1), x, weights)
    wide = [one.astype(jnp.float32) for one in (x, weights, slope)]
    exact, back_wide = jax.vjp(lambda x, k: by_jax(x, k, 1), *wide[:2])
    for half, full in zip((found, *back(slope)), (exact, *back_wide(wide[2])), strict=True):
        assert half.dtype == jnp.bfloat16
        error = np.abs(np.asarray(half, np.float32) - full)
        assert (error <= jnp.finfo(jnp.bfloat16).eps * (np.abs(full) + 1)).all()


def test_narrow_and_strided_ones_stay_convolutions():
    def products(channels, stride):
        x = jax.ShapeDtypeStruct((1, 8, 8, channels), jnp.bfloat16)
        kernel = jax.ShapeDtypeStruct((3, 3, channels, channels), jnp.bfloat16)
        text = jax.jit(convolve, static_argnums=2).lower(x, kernel, stride).as_text()
        return text.count("dot_general"), text.count("stablehlo.convolution")

    assert products(32, 1) == (1, 0)  # in a loop over the taps
    assert products(16, 1) == products(32, 2) == (0, 1)
