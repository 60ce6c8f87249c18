"""The text encoder's architecture as data."""

from dataclasses import dataclass

from mg_jax.nn.transformer import TransformerConfig


@dataclass(frozen=True)
class TextConfig(TransformerConfig):
    """The CLIP text encoder."""

    vocabulary: int = 49408
    length: int = 77  # tokens
