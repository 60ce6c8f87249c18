"""Stable Diffusion as a model: what it fills in of a request."""

from dataclasses import replace

import numpy as np
import pytest

import mg_jax
from mg_jax import api
from mg_jax.models.stable_diffusion import checkpoint
from mg_jax.models.stable_diffusion.checkpoint import Origin
from mg_jax.models.stable_diffusion.config import TINY
from mg_jax.models.stable_diffusion.loading import StableDiffusion
from mg_jax.models.stable_diffusion.model import GuidedStableDiffusion
from mg_jax.models.text import tokenizer

PHOTO = np.zeros((128, 160, 3), np.uint8)
FLOW = np.where(np.arange(160)[None, :, None] < 40, np.float32(16), 0) * np.ones((128, 1, 2))
LOADED = StableDiffusion(TINY, checkpoint.shapes(TINY), tokenizer.default("!"))


def model(size):
    origin = Origin("folder", "epsilon", "its scheduler", size)
    return GuidedStableDiffusion("some", replace(LOADED, origin=origin))


def size_of(model, settings=None):
    flow = FLOW.astype(np.float32)
    return api.request(PHOTO, flow, model=model, settings=settings).settings.size


@pytest.mark.parametrize("size", [512, 768])
def test_the_models_own_size_is_the_default(size):
    assert size_of(model(size)) == size
    assert size_of(model(size), mg_jax.StableDiffusionSettings(steps=2)) == size
    assert size_of(model(size), mg_jax.StableDiffusionSettings(size=256)) == 256


def test_a_model_without_an_origin_has_the_usual_size():
    assert size_of(GuidedStableDiffusion("some", LOADED)) == 512
