"""Models by name; to add one, add a line here."""

from pathlib import Path

from mg_jax.interfaces import Model
from mg_jax.models.patch.model import Patch
from mg_jax.models.patch.preview import Preview
from mg_jax.models.stable_diffusion.loading import StableDiffusion
from mg_jax.models.stable_diffusion.model import GuidedStableDiffusion
from mg_jax.models.stable_diffusion.random_weights import TinyStableDiffusion

PATCH = "patch"
PREVIEW = "preview"
WEIGHTLESS = (PATCH, PREVIEW)
"""What edits any photo without weights: what the studio offers by default."""
TINY = "tiny"

NAMED: dict[str, Model] = {
    PATCH: Patch(),
    PREVIEW: Preview(),
    TINY: TinyStableDiffusion(TINY),
}


def find(model: str | Path | StableDiffusion | Model) -> Model:
    """Return the model of a name; any other text is a path or hub id of Stable Diffusion.

    Weights are not read yet. A `Model` is returned as it is.

    Raises:
        ValueError: `model` is none of these.
    """
    if isinstance(model, str | Path):
        return NAMED.get(str(model)) or GuidedStableDiffusion(str(model))
    if isinstance(model, StableDiffusion):
        return GuidedStableDiffusion("stable_diffusion", model)
    if isinstance(model, Model):
        return model
    raise ValueError(
        f"model: {type(model).__name__}; expected a name, a path, loaded weights or a Model"
    )
