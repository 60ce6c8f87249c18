"""A Stable Diffusion of a tiny size with random weights: for trying programs out, without a file.

It runs all that the real one runs, within seconds on a CPU. It has learned nothing, so what it
paints is noise.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import Mesh

from mg_jax import devices
from mg_jax.checkpoints.parts import Params
from mg_jax.models.stable_diffusion import checkpoint
from mg_jax.models.stable_diffusion.checkpoint import Origin, Weights
from mg_jax.models.stable_diffusion.config import TINY
from mg_jax.models.stable_diffusion.loading import StableDiffusion
from mg_jax.models.stable_diffusion.model import GuidedStableDiffusion
from mg_jax.models.stable_diffusion.settings import StableDiffusionSettings
from mg_jax.models.text import tokenizer

_SIZE = 128  # pixels


def tiny(seed: int = 0) -> StableDiffusion:
    """Make a Stable Diffusion of 2.7 million random parameters, with CLIP's tokenizer.

    `mg_jax.edit(…, model=tiny(0))` takes it, as all that takes loaded weights.

    Raises:
        ValueError: the seed is negative.
    """
    if seed < 0:
        raise ValueError(f"seed: {seed}; expected 0 or more")
    words = tokenizer.default("<|endoftext|>")
    vocabulary = words.bpe.get_vocab_size()
    config = dataclasses.replace(TINY, text=dataclasses.replace(TINY.text, vocabulary=vocabulary))
    rng = np.random.default_rng(seed)
    weights = Weights(*(_drawn(part, rng) for part in checkpoint.shapes(config)))
    origin = Origin(
        f"random weights by seed {seed}, for trying programs out",
        config.prediction,
        "as if it had been trained to",
        _SIZE,
    )
    return StableDiffusion(config, weights, words, origin)


class TinyStableDiffusion(GuidedStableDiffusion):
    """`tiny(0)` as a model by name, with settings for seconds instead of the paper's."""

    settings = StableDiffusionSettings(steps=8, recursions=2)

    def loaded(self, dtype: str, mesh: Mesh | None = None) -> StableDiffusion:
        """Return the weights as `dtype`, on all devices of `mesh`."""
        return _first(dtype, mesh)


@functools.lru_cache(maxsize=1)
def _first(dtype: str, mesh: Mesh | None) -> StableDiffusion:
    model, where = tiny(0), devices.everywhere(mesh)
    weights = jax.tree.map(lambda one: jax.device_put(one.astype(dtype), where), model.weights)
    return dataclasses.replace(model, weights=weights)


def _drawn(shapes: Params, rng: np.random.Generator) -> Params:
    """Draw parameters such that layers keep their input's variance."""
    drawn = []
    for path, one in nnx.to_flat_state(shapes):
        match path[-1]:
            case "kernel":
                value = rng.standard_normal(one.shape) / np.sqrt(np.prod(one.shape[:-1]))
            case "scale":
                value = np.ones(one.shape)
            case "bias":
                value = np.zeros(one.shape)
            case _:
                value = rng.standard_normal(one.shape)
        drawn.append((path, one.replace(jnp.asarray(value, jnp.float32))))
    return nnx.from_flat_state(drawn)
