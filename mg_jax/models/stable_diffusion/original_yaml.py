"""Read the YAML that belongs to an original single file: latent-diffusion's own description.

CompVis and Stability AI publish one with each model; programs that read single files look for it
beside the file, under the same name.
"""

from pathlib import Path
from typing import Any, NamedTuple

import yaml

from mg_jax.models.stable_diffusion.config import Prediction

PARAMETERIZATIONS: dict[str, Prediction] = {"eps": "epsilon", "v": "v_prediction"}
"""What latent-diffusion calls what the UNet predicts."""

_SUFFIXES = (".yaml", ".yml")
_LEVELS = {"linear_start": 0.00085, "linear_end": 0.012, "timesteps": 1000}


class Original(NamedTuple):
    """What a YAML says."""

    file: Path
    prediction: Prediction
    stated: bool  # False: by leaving it out, which means epsilon in latent-diffusion
    grid: int | None  # side of the latents that the model was trained on


def beside(weights: Path) -> Original | None:
    """Read the YAML beside a file of weights; None if there is none that describes a model.

    Raises:
        ValueError: one line: it cannot be read, or describes what the sampler cannot do.
    """
    names = (weights.with_suffix(suffix) for suffix in _SUFFIXES)
    file = next((name for name in names if name.is_file()), None)
    if file is None:
        return None
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        said = " ".join(str(error).split())
        raise ValueError(
            f"{file}: broken ({said}); expected the YAML of an original file"
        ) from None
    params = _inside(_inside(content, "model"), "params")
    if not params:
        return None
    found = params.get("parameterization", "eps")
    faults = []
    if found not in PARAMETERIZATIONS:
        faults.append(f"parameterization is {found}; expected eps or v")
    faults += [
        f"{key} is {params[key]}; expected {value}"
        for key, value in _LEVELS.items()
        if params.get(key, value) != value
    ]
    if faults:
        raise ValueError(f"{file}: {', '.join(faults)}")
    grid = params.get("image_size")
    return Original(
        file,
        PARAMETERIZATIONS[found],
        "parameterization" in params,
        grid if type(grid) is int and grid > 0 else None,
    )


def _inside(content: Any, key: str) -> dict[str, Any]:
    """A mapping in a mapping, empty where there is none."""
    found = content.get(key) if isinstance(content, dict) else None
    return found if isinstance(found, dict) else {}
