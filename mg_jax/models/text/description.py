"""Read and check the description of a CLIPTextModel by transformers."""

from typing import Any

from mg_jax.checkpoints.descriptions import Description, shown
from mg_jax.models.text.config import TextConfig

_HEADS = "num_attention_heads"
_EXPECTED: dict[str, tuple[Any, ...]] = {
    "model_type": ("clip_text_model",),
    "layer_norm_eps": (1e-5,),
}


def text_config(description: Description) -> TextConfig:
    """Read a CLIPTextModel's configuration; missing keys have the defaults of transformers.

    Mismatches are recorded in `description`.
    """
    description.expect(_EXPECTED)
    activation = description.content.get("hidden_act", "quick_gelu")
    if activation not in ("quick_gelu", "gelu"):
        description.faults.append(f"hidden_act is {shown(activation)}; expected quick_gelu or gelu")
        activation = "quick_gelu"
    config = TextConfig(
        width=description.whole("hidden_size", 512),
        layers=description.whole("num_hidden_layers", 12),
        heads=description.whole(_HEADS, 8),
        hidden=description.whole("intermediate_size", 2048),
        activation=activation,
        vocabulary=description.whole("vocab_size", 49408),
        length=description.whole("max_position_embeddings", 77),
    )
    description.divides(_HEADS, (config.width,), (config.heads,))
    return config
