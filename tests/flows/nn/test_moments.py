"""Mean and variance against exact ones, however large the mean is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flows.nn.moments import moments, over, standardize


@pytest.mark.parametrize("axes", [(1, 2), (0, 1, 2), (-1,)])
@pytest.mark.parametrize("far", [0, 100, 10_000])
def test_they_are_exact_far_from_zero(axes, far):
    x = far + np.random.default_rng(0).standard_normal((2, 9, 7, 4), np.float32)
    mean, variance = moments(jnp.asarray(x), over(*axes))
    exact = x.astype(np.float64)
    np.testing.assert_allclose(mean, exact.mean(axes, keepdims=True), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(variance, exact.var(axes, keepdims=True), rtol=1e-5 + 1e-7 * far)


def test_equal_values_have_no_variance():
    mean, variance = moments(jnp.full((3, 5), 7.25), over(-1))
    np.testing.assert_array_equal(mean, 7.25)
    np.testing.assert_array_equal(variance, 0)
    np.testing.assert_array_equal(standardize(jnp.full((3, 5), 7.25), mean, variance, 1e-5), 0)


def test_the_gradient_is_that_of_the_formula():
    x, slope = (jax.random.normal(jax.random.key(i), (4, 6)) for i in (0, 1))
    with jax.enable_x64(True):
        exact, above = x.astype("float64"), slope.astype("float64")

        def formula(x):
            return (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-5)

        expected = jax.vjp(formula, exact)[1](above)[0]
    found = jax.vjp(lambda x: standardize(x, *moments(x, over(-1)), 1e-5), x)[1](slope)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
