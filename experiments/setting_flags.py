"""The flags of a model and its settings, made from the settings' fields."""

import dataclasses

from absl import flags
from jax.sharding import Mesh

from experiments import field_flags, loading_flags
from mg_jax.interfaces import Model
from mg_jax.models import registry
from mg_jax.models.stable_diffusion.loading import StableDiffusion
from mg_jax.models.stable_diffusion.model import GuidedStableDiffusion
from mg_jax.models.stable_diffusion.settings import PRESETS, StableDiffusionSettings
from mg_jax.settings import Settings

model = flags.DEFINE_string(
    "model",
    registry.PATCH,
    "patch, preview (the motion carried out at once, without diffusion), tiny (random weights, for"
    " trying programs out), or Stable Diffusion 1.x or 2.x: a diffusers folder, a .safetensors or"
    " .ckpt file, a folder by experiments.convert_weights, or on the hub id, id@revision or"
    " id/file.safetensors.",
)
_preset = flags.DEFINE_enum(
    "preset",
    None,
    list(PRESETS),
    "Stable Diffusion's settings: the paper's (default), all that the PyTorch reference does, or"
    " fast.",
)
_settings = field_flags.define()
flags.adopt_module_key_flags(field_flags)
flags.adopt_module_key_flags(loading_flags)
_OF_INVERSION = ("inversion_iterations", "null_text")


def chosen() -> Model:
    """The model of the flags; nothing of it is read yet.

    Raises:
        ValueError: a flag of Stable Diffusion's checkpoints with another model, or out of range.
    """
    named = registry.NAMED.get(model.value)
    if named is None:
        return GuidedStableDiffusion(model.value, options=loading_flags.options())
    if unread := loading_flags.given():
        raise ValueError(f"--{unread[0]}: not for the model {model.value}; expected none")
    return named


def loaded(settings: Settings, mesh: Mesh | None = None) -> StableDiffusion | None:
    """The weights of the flags' model, on all devices of `mesh`; None if it has none.

    Raises:
        ValueError: they cannot be read.
    """
    named = chosen()
    if not isinstance(named, GuidedStableDiffusion):
        return None
    assert isinstance(settings, StableDiffusionSettings)
    return named.loaded(settings.dtype, mesh)


def read() -> Settings:
    """The model's own settings, but for what the flags say.

    Raises:
        ValueError: a flag that the model or the other settings leave no use, or out of range.
    """
    settings = chosen().settings
    if _preset.value:
        preset = PRESETS[_preset.value]()
        if type(preset) is not type(settings):
            raise ValueError(f"--preset: not for the model {model.value}; expected none")
        settings = preset
    asked = field_flags.given(_settings)
    unread = {} if "settings" in chosen().accepts else asked
    for name in unread or asked.keys() - {field.name for field in dataclasses.fields(settings)}:
        raise ValueError(f"--{name}: not for the model {model.value}; expected none")
    settings = dataclasses.replace(settings, **asked)
    if getattr(settings, "source", None) == "noised":
        refuse_of_inversion("the source is noised")
    return settings


def refuse_of_inversion(why: str) -> None:
    """Refuse the flags of an inversion where there is none: `why` says why.

    Raises:
        ValueError: one of them is given.
    """
    for name in _OF_INVERSION:
        if _settings[name].value is not None:
            raise ValueError(f"--{name}: of an inversion, but {why}; expected none")
