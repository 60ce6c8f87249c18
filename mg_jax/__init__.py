"""Motion guidance: edit a photo by saying where its pixels should go."""

from mg_jax.editing import Result, edit
from mg_jax.models.internal.settings import Settings as InternalSettings
from mg_jax.models.stable_diffusion.given import Given
from mg_jax.models.stable_diffusion.settings import Settings as StableDiffusionSettings

__all__ = ["Given", "InternalSettings", "Result", "StableDiffusionSettings", "edit"]
