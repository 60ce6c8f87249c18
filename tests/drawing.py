"""Networks with parameters drawn by a rule, the same here and in PyTorch."""

from collections.abc import Callable
from zlib import crc32

import jax.numpy as jnp
import numpy as np
from flax import nnx

Path = tuple[str | int, ...]


def draw(network: Callable[[], nnx.Module]) -> dict[Path, np.ndarray]:
    """Normal numbers seeded by each parameter's path, of a size that lets every layer count."""
    drawn = {}
    for path, variable in nnx.to_flat_state(nnx.state(nnx.eval_shape(network))):
        name = ".".join(map(str, path))
        rng = np.random.default_rng(crc32(name.encode()))
        value = rng.standard_normal(variable.shape, np.float32)
        if name.endswith("kernel"):
            value *= np.float32(np.prod(variable.shape[:-1]) ** -0.5)
        elif not name.endswith("embedding"):
            value = np.float32(0.2) * value + np.float32(name.endswith("scale"))
        drawn[path] = value
    return drawn


def build(
    network: Callable[[], nnx.Module], drawn: dict[Path, np.ndarray] | None = None
) -> tuple[nnx.GraphDef, nnx.State]:
    """The network's structure and its drawn parameters."""
    graph, shapes = nnx.split(nnx.eval_shape(network))
    drawn = drawn or draw(network)
    filled = [
        (path, one.replace(jnp.asarray(drawn[path]))) for path, one in nnx.to_flat_state(shapes)
    ]
    return graph, nnx.from_flat_state(filled)


def inputs(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)
