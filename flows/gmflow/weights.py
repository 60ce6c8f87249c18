"""Load GMFlow weights from files; published ones are fetched once, beforehand."""

from pathlib import Path

import jax.numpy as jnp
from jax.typing import DTypeLike

from flows.gmflow.convert import build
from flows.gmflow.grids import Fit
from flows.gmflow.model import GMFlow
from flows.raft.weights import fetched, read

NAMES = ("gmflow",)


def load(name: str = "gmflow", *, fit: Fit = "picture", dtype: DTypeLike = jnp.float32) -> GMFlow:
    """Load a GMFlow network by name (`gmflow`) or from the path of a .safetensors file.

    `fit` and `dtype` as for `build`. Raises ValueError, with a message for the user, when the
    weights are not fetched yet, or the file is missing, unreadable, or holds other weights.
    """
    path = find(name)
    try:
        return build(read(path), fit=fit, dtype=dtype)
    except ValueError as error:
        raise error if str(path) in str(error) else ValueError(f"{path}: {error}") from None


def find(name: str) -> Path:
    """Return the weights file of a name or path. Raises ValueError if it is not fetched yet."""
    return fetched(name) if name in NAMES else Path(name)
