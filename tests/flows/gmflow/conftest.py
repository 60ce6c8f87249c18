"""A small network with random weights for all tests of the folder, and photos that moved."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.typing import DTypeLike
from PIL import Image

from flows import gmflow

PHOTO = Path(__file__).parents[3] / "experiments" / "data" / "chelsea.png"
SMALL = replace(gmflow.REFINED, stages=(16, 24, 32), features=32, layers=2, mask=32)


class Compiled(NamedTuple):
    """A network with its functions compiled once a shape."""

    net: gmflow.GMFlow
    features: Callable
    flow: Callable
    flow_from: Callable


def draw(dtype: DTypeLike = jnp.float32) -> gmflow.GMFlow:
    """A network with random weights, the same in every type."""
    network = gmflow.Network(SMALL, dtype=dtype, rngs=nnx.Rngs(0))
    return gmflow.GMFlow(SMALL, *nnx.split(network))


@pytest.fixture(scope="session")
def random_net() -> Callable[..., gmflow.GMFlow]:
    return draw


@pytest.fixture(scope="session")
def small() -> Compiled:
    net = draw()
    return Compiled(net, jax.jit(net.features), jax.jit(net.flow), jax.jit(net.flow_from))


@pytest.fixture
def exact() -> Iterator[Compiled]:
    """The same in float64, in which the order of sums does not matter; it is on for the test."""
    with jax.enable_x64(True):
        net = draw(jnp.float64)
        yield Compiled(net, jax.jit(net.features), jax.jit(net.flow), jax.jit(net.flow_from))


def crop(height: int, width: int, dx: int = 0, dy: int = 0) -> jax.Array:
    """A piece of a photo, in which all has moved by whole pixels."""
    photo = np.asarray(Image.open(PHOTO).convert("RGB"), np.float32) / 127.5 - 1
    top, left = 60 - dy, 110 - dx
    return jnp.asarray(photo[None, top : top + height, left : left + width])


@pytest.fixture(scope="session")
def picture() -> Callable[..., jax.Array]:
    return crop


def fill(shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Random arrays, each by its name, of a size that lets every layer count."""
    rng = np.random.default_rng(0)
    arrays = {}
    for name, shape in shapes.items():
        value = rng.normal(0, np.sqrt(2 / np.prod(shape[1:])) if len(shape) > 1 else 0.3, shape)
        arrays[name] = (value + ("norm" in name and "weight" in name)).astype(np.float32)
    return arrays


@pytest.fixture(scope="session")
def random_arrays() -> Callable[[dict[str, tuple[int, ...]]], dict[str, np.ndarray]]:
    return fill
