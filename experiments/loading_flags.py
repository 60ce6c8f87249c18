"""The flags that say how a checkpoint of Stable Diffusion is read."""

import sys
from typing import cast, get_args

from absl import flags

from mg_jax.models.stable_diffusion.checkpoint import Origin
from mg_jax.models.stable_diffusion.config import Prediction
from mg_jax.models.stable_diffusion.options import LoadingOptions

_prediction = flags.DEFINE_enum(
    "prediction",
    None,
    list(get_args(Prediction)),
    "What the UNet predicts, where the checkpoint does not say so or is wrong.",
)
_FLAGS = (_prediction,)


def given() -> list[str]:
    """The names of these flags that have a value."""
    return [flag.name for flag in _FLAGS if flag.value is not None]


def options() -> LoadingOptions:
    """What the flags say.

    Raises:
        ValueError: a value is out of range; the line begins with the flag.
    """
    try:
        return LoadingOptions(prediction=cast(Prediction | None, _prediction.value))
    except ValueError as error:
        raise ValueError(f"--{error}") from error


def tell(name: str, origin: Origin) -> None:
    """Print, on standard error, what was decided about a checkpoint, and what was left out."""
    for line in origin.lines():
        print(f"note: {name}: {line}", file=sys.stderr)
