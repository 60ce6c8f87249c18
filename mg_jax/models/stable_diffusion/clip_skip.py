"""Clip skip: take the text's embeddings from a layer before the usual last one.

The number is that of the programs that coined the word: 1 skips nothing, 2 one layer. In 2.x the
usual last layer is OpenCLIP's last but one, from which this counts on.
"""

import re
from dataclasses import replace

from flax import nnx

from mg_jax.checkpoints.parts import Params
from mg_jax.models.stable_diffusion.config import Config

_LAYER = re.compile(r"encoder\.layers\.(\d+)\.")


def applied(config: Config, skip: int) -> tuple[Config, tuple[str, ...]]:
    """Return the configuration with `skip` − 1 text layers less, and what to tell of it.

    Raises:
        ValueError: no layer would be left; the message begins with the option's name.
    """
    layers = config.text.layers - (skip - 1)
    if layers < 1:
        raise ValueError(
            f"clip_skip: {skip} of {config.text.layers} text layers;"
            f" expected 1 to {config.text.layers}"
        )
    if skip == 1:
        return config, ()
    note = f"clip skip {skip}: {layers} of {config.text.layers} text layers are used"
    return replace(config, text=replace(config.text, layers=layers)), (note,)


def shortened(text: Params, layers: int) -> Params:
    """Leave out the layers of a text encoder from the `layers`-th on."""

    def kept(path: str) -> bool:
        layer = _LAYER.match(path)
        return layer is None or int(layer[1]) < layers

    return nnx.from_flat_state(
        (path, one) for path, one in nnx.to_flat_state(text) if kept(".".join(map(str, path)))
    )
