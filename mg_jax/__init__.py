"""Motion guidance: edit a photo by saying where its pixels should go."""

from mg_jax import neighbours  # noqa: F401 - before all that imports flows

# isort: split
from mg_jax import samples
from mg_jax.api import edit, preview
from mg_jax.batches import edit_batch
from mg_jax.filming import film
from mg_jax.interactive.notebook import studio
from mg_jax.models.patch.settings import PatchSettings
from mg_jax.models.stable_diffusion.loading import load as load_stable_diffusion
from mg_jax.models.stable_diffusion.options import LoadingOptions
from mg_jax.models.stable_diffusion.replay import Replay
from mg_jax.models.stable_diffusion.settings import StableDiffusionSettings
from mg_jax.notes import EditWarning
from mg_jax.result import Result
from mg_jax.sample import Step

__version__ = "0.1.0"

__all__ = [
    "EditWarning",
    "LoadingOptions",
    "PatchSettings",
    "Replay",
    "Result",
    "StableDiffusionSettings",
    "Step",
    "edit",
    "edit_batch",
    "film",
    "load_stable_diffusion",
    "preview",
    "samples",
    "studio",
]
