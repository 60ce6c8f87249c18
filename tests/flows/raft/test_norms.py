"""Normalisation by whose statistics."""

import jax
import jax.numpy as jnp
import numpy as np

from flows.raft.norms import BatchNorm, InstanceNorm

X = 100 + 3 * jax.random.normal(jax.random.key(0), (2, 12, 10, 4))


def test_instance_norm_is_of_each_sample_and_channel():
    y = np.asarray(InstanceNorm()(X))
    np.testing.assert_allclose(y.mean((1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(y.std((1, 2)), 1, atol=1e-4)


def test_batch_norm_by_the_batch():
    y = np.asarray(BatchNorm(4, "batch")(X))
    np.testing.assert_allclose(y.mean((0, 1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(y.std((0, 1, 2)), 1, atol=1e-4)


def test_batch_norm_by_running_statistics():
    norm = BatchNorm(4, "running")
    norm.mean[...] = jnp.full(4, 100.0)
    norm.variance[...] = jnp.full(4, 9.0)
    norm.scale[...] = jnp.full(4, 2.0)
    norm.bias[...] = jnp.full(4, 1.0)
    expected = 2 * (X - 100) / np.sqrt(9 + 1e-5) + 1
    np.testing.assert_allclose(norm(X), expected, rtol=0, atol=1e-4)
