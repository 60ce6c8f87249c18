"""Find out what the UNet of an original single file predicts: the noise, or v.

Such a file has no description. In this order: what the caller says; what the file or the YAML
beside it states; of 2.x, what its weights show; else what its version does as a rule.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mg_jax.checkpoints.arrays import Archive, Stored
from mg_jax.models.stable_diffusion.config import Prediction
from mg_jax.models.stable_diffusion.options import ASKED
from mg_jax.models.stable_diffusion.original_yaml import Original

_METADATA = "modelspec.prediction_type"
_SPELLINGS: dict[str, Prediction] = {
    "epsilon": "epsilon",
    "eps": "epsilon",
    "v": "v_prediction",
    "v_prediction": "v_prediction",
    "vpred": "v_prediction",
    "v_pred": "v_prediction",
}
_MARK = "v_pred"  # an array of this name stands in v-predicting files, with no content
_STEPS_OF_2_BASE = 875_000  # training steps stored in 2-base, by which it is recognised
# In v-predicting 2.x this bias, of the last transformer on the way up, spreads more widely than in
# the others. ComfyUI decides by the same number.
_BIAS = re.compile(
    r"model\.diffusion_model\.output_blocks\.(\d+)\.1\.transformer_blocks\.0\.norm1\.bias"
)
_SPREAD = 0.09


class Decision(NamedTuple):
    """What the UNet predicts, and how that was found out, in words."""

    prediction: Prediction
    by: str


def decide(
    path: Path,
    archive: Archive,
    version: int,
    yaml: Original | None,
    wanted: Prediction | None,
) -> Decision:
    """Decide for the file at `path`, of Stable Diffusion `version` 1 or 2.

    `yaml` is what lies beside it; `wanted` is what the caller says, if anything.

    Raises:
        ValueError: one line: statements contradict each other, or state something else.
    """
    if wanted is not None:
        return Decision(wanted, ASKED)
    stated = list(_statements(path, archive, yaml))
    if len({one.prediction for one in stated}) > 1:
        said = ", ".join(f"{one.prediction} by {one.by}" for one in stated)
        raise ValueError(
            f"{path}: its UNet predicts {said}; expected one of them: give the prediction"
        )
    if stated:
        return stated[0]
    if yaml is not None:
        return Decision(yaml.prediction, f"{yaml.file.name}, which names no parameterization")
    if version == 1:
        return Decision("epsilon", "its version, 1.x")
    if archive.beside.get("global_step") == _STEPS_OF_2_BASE:
        return Decision("epsilon", f"its {_STEPS_OF_2_BASE:,} training steps, those of 2-base")
    return _by_weights(archive.arrays)


def _statements(path: Path, archive: Archive, yaml: Original | None) -> list[Decision]:
    """All that the file and its YAML state."""
    found = []
    text = archive.metadata.get(_METADATA, "").strip()
    if text:
        spelt = text.lower().replace("-", "_").replace(" ", "_")
        if spelt not in _SPELLINGS:
            raise ValueError(
                f"{path}: {_METADATA} is {text!r}; expected epsilon or v: give the prediction"
            )
        found.append(Decision(_SPELLINGS[spelt], f"its metadata, {_METADATA}"))
    if any(name.rpartition(".")[2] == _MARK for name in archive.arrays):
        found.append(Decision("v_prediction", f"its array {_MARK}"))
    if yaml is not None and yaml.stated:
        found.append(Decision(yaml.prediction, f"{yaml.file.name} beside it"))
    return found


def _by_weights(arrays: Mapping[str, Stored]) -> Decision:
    """Decide by the spread of one bias of a 2.x UNet."""
    places = {int(one[1]): one[0] for one in map(_BIAS.fullmatch, arrays) if one}
    if not places:
        return Decision("v_prediction", "2.x, of which it is assumed")
    spread = float(np.std(arrays[places[max(places)]].read().astype(np.float64)))
    decided: Prediction = "v_prediction" if spread > _SPREAD else "epsilon"
    relation = "above" if spread > _SPREAD else "at most"
    return Decision(decided, f"its weights: a bias spreads by {spread:.2g}, {relation} {_SPREAD}")
