"""Classifier-free guidance (Ho & Salimans 2022)."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mg_jax.types import Denoiser, Latent, PerSample, Schedule


class Prompt(NamedTuple):
    """A denoiser's conditions with and without the prompt; leaves are [b ...]."""

    unconditional: Any
    conditional: Any
    scale: PerSample  # 1 = the prompt alone, 0 = no prompt


def classifier_free(denoise: Denoiser) -> Denoiser:
    """Return a denoiser that takes a `Prompt`: ε = ε_u + scale · (ε_c − ε_u).

    Both are evaluated in one batch of 2b, unconditional first, as in the reference.
    """

    def guided(params: Any, z: Latent, level: Schedule, prompt: Prompt) -> Latent:
        both = jax.tree.map(
            lambda *halves: jnp.concatenate(halves), prompt.unconditional, prompt.conditional
        )
        eps = denoise(params, jnp.concatenate([z, z]), level, both)
        unconditional, conditional = jnp.split(eps, 2)
        scale = prompt.scale[:, None, None, None]
        return unconditional + scale * (conditional - unconditional)

    return guided
