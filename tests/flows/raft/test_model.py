"""Laws of a flow network, on the weights that ship."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flows import raft

NET = raft.load("raft-small")
flow = jax.jit(NET.flow, static_argnames="updates")
features = jax.jit(NET.features)
flow_from = jax.jit(NET.flow_from, static_argnames="updates")


def picture(height: int, width: int, dx: float = 0.0, dy: float = 0.0) -> jax.Array:
    """A smooth texture, moved by (dx, dy): a fixed sum of waves, so that motion is exact."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width]
    waves = np.zeros((height, width, 3))
    for _ in range(60):
        fx, fy = rng.normal(0, 0.25, 2)
        phase = rng.uniform(0, 2 * np.pi, 3)
        angle = fx * (x - dx) + fy * (y - dy)
        waves += rng.uniform(0.2, 1) * np.sin(angle[..., None] + phase)
    return jnp.asarray(np.tanh(waves / 5)[None], jnp.float32)


def test_an_image_does_not_move_to_itself():
    image = picture(128, 128)
    assert float(jnp.abs(flow(NET.params, image, image, 5)).mean()) < 0.1


@pytest.mark.parametrize(("dx", "dy"), [(5.0, -3.0), (-4.5, 2.0)])
def test_flow_of_a_translation_is_the_translation(dx, dy):
    moved = flow(NET.params, picture(128, 128), picture(128, 128, dx, dy), 5)
    error = np.asarray(moved - jnp.asarray([dx, dy]).reshape(1, 1, 1, 2))[0, 16:-16, 16:-16]
    assert np.linalg.norm(error, axis=-1).mean() < 0.3
