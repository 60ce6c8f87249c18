"""The flags that say how a checkpoint of Stable Diffusion is read."""

from typing import cast, get_args

from absl import flags

from experiments import command
from mg_jax.models.stable_diffusion.checkpoint import Origin
from mg_jax.models.stable_diffusion.config import Prediction
from mg_jax.models.stable_diffusion.options import LoadingOptions

_prediction = flags.DEFINE_enum(
    "prediction",
    None,
    list(get_args(Prediction)),
    "What the UNet predicts, where the checkpoint does not say so or is wrong.",
)
_vae = flags.DEFINE_string(
    "vae",
    None,
    "Autoencoder to use instead of the checkpoint's, or where it has none: a file, a folder by"
    " diffusers or a hub id.",
)
_clip_skip = flags.DEFINE_integer(
    "clip_skip", None, "Text layer to end with, counted from the last: 2 leaves one out."
)
_variant = flags.DEFINE_string(
    "variant", None, "Which weights of a folder or hub repository: fp16, non_ema, …"
)
_revision = flags.DEFINE_string(
    "revision", None, "Branch, tag or commit of a hub repository; also id@revision."
)
_FLAGS = (_prediction, _vae, _clip_skip, _variant, _revision)


def given() -> list[str]:
    """The names of these flags that have a value."""
    return [flag.name for flag in _FLAGS if flag.value is not None]


def options() -> LoadingOptions:
    """What the flags say.

    Raises:
        ValueError: a value is out of range; the line begins with the flag.
    """
    try:
        return LoadingOptions(
            prediction=cast(Prediction | None, _prediction.value),
            vae=_vae.value,
            clip_skip=1 if _clip_skip.value is None else _clip_skip.value,
            variant=_variant.value,
            revision=_revision.value,
        )
    except ValueError as error:
        raise ValueError(f"--{error}") from error


def tell(name: str, origin: Origin) -> None:
    """Print, on standard error, what was decided about a checkpoint, and what was left out."""
    command.note(f"{name}: {line}" for line in origin.lines())
