"""One network and its compiled functions for all tests of the folder."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flows import raft
from flows.raft.published import checkpoints


class Compiled(NamedTuple):
    """The shipped network, with its functions compiled once a shape."""

    net: raft.Raft
    features: Callable
    flow: Callable
    flow_from: Callable
    flows: Callable


@pytest.fixture(scope="session")
def small() -> Compiled:
    net = raft.load("raft-small")
    jit = lambda f: jax.jit(f, static_argnames="updates")  # noqa: E731
    return Compiled(net, jax.jit(net.features), jit(net.flow), jit(net.flow_from), jit(net.flows))


def draw(height: int, width: int, dx: float = 0.0, dy: float = 0.0) -> jax.Array:
    """A sum of fixed waves, moved by (dx, dy): the motion is exact."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width]
    waves = np.zeros((height, width, 3))
    for _ in range(60):
        fx, fy = rng.normal(0, 0.25, 2)
        phase = rng.uniform(0, 2 * np.pi, 3)
        strength = rng.uniform(0.2, 1)
        angle = fx * (x - dx) + fy * (y - dy)
        waves += strength * np.sin(angle[..., None] + phase)
    return jnp.asarray(np.tanh(waves / 5)[None], jnp.float32)


@pytest.fixture(scope="session")
def picture() -> Callable[..., jax.Array]:
    return draw


def fill(name: str) -> dict[str, np.ndarray]:
    """Random arrays under the names and in the shapes of a published checkpoint."""
    arrays = {}
    for array, (offset, *shape) in checkpoints()[name].arrays.items():
        rng = np.random.default_rng(offset)  # norms that stand twice share their offset
        scale = np.sqrt(2 / np.prod(shape[1:])) if len(shape) == 4 else 0.5
        value = rng.normal(0, scale, shape)
        arrays[array] = (np.exp(value) if "running_var" in array else value).astype(np.float32)
    return arrays


@pytest.fixture(scope="session")
def random_arrays() -> Callable[[str], dict[str, np.ndarray]]:
    return fill
