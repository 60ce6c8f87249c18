"""The size of the pictures that a model was trained on."""

from mg_jax.models.stable_diffusion.settings import StableDiffusionSettings

USUAL = 512
"""Of a model that does not tell, pixels."""

_SIZES = StableDiffusionSettings.SIZES


def fitting(side: float) -> int:
    """The size, as settings allow it, nearest to `side` pixels."""
    whole = _SIZES.step * round(side / _SIZES.step)
    return max(_SIZES[0], min(_SIZES[-1], whole))
