"""Strict conversion of GMFlow weights: every array is used, every parameter is filled."""

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from flows.gmflow.config import REFINED, SINGLE
from flows.gmflow.grids import Fit
from flows.gmflow.layouts import module_table
from flows.gmflow.model import GMFlow, Network
from flows.nn import tracing
from flows.raft.convert import check_numbers, filled


def build(
    arrays: Mapping[str, np.ndarray], *, fit: Fit = "picture", dtype: DTypeLike = jnp.float32
) -> GMFlow:
    """Build a GMFlow from named arrays; its parameters are float32.

    Names are the published ones or our own, the parameters' paths. `fit` says how windows are cut
    (see `flows.gmflow.grids`), `dtype` is what the network computes in. Raises one ValueError that
    lists every unknown array, every missing parameter and every wrong shape; or one that names the
    first array that is not of finite floats.
    """
    several = any("trident_conv." in name or "encoder.branch." in name for name in arrays)
    config = REFINED if several else SINGLE
    modules = module_table(arrays.keys(), config)
    check_numbers(arrays, modules)
    graph, params = filled(
        lambda: Network(config, dtype=dtype, rngs=tracing.rngs()),
        arrays,
        modules,
        f"GMFlow {config.name}",
    )
    return GMFlow(config, graph, params, fit)
