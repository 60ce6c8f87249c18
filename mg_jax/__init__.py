"""Motion guidance: edit a photo by saying where its pixels should go."""

from mg_jax.editing import Result, edit, preview
from mg_jax.models.patch.settings import Settings as PatchSettings
from mg_jax.models.stable_diffusion.given import Given
from mg_jax.models.stable_diffusion.settings import Settings as StableDiffusionSettings

__all__ = ["Given", "PatchSettings", "Result", "StableDiffusionSettings", "edit", "preview"]
