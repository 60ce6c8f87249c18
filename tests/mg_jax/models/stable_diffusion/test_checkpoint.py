"""What the networks' parameters are without values."""

from dataclasses import replace

import jax

from mg_jax.models.stable_diffusion import checkpoint
from mg_jax.models.stable_diffusion.config import TINY


def test_shapes_hold_no_memory_and_are_made_once():
    assert all(
        isinstance(x, jax.ShapeDtypeStruct) for x in jax.tree.leaves(checkpoint.shapes(TINY))
    )
    assert checkpoint.shapes(replace(TINY)) is checkpoint.shapes(TINY)
