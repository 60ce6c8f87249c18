"""CLIP's architecture as data, and what it expects of pictures and texts."""

from dataclasses import dataclass

from mg_jax.models.text.config import TextConfig
from mg_jax.nn.transformer import TransformerConfig

Colour = tuple[float, float, float]
"""Red, green, blue."""


@dataclass(frozen=True)
class VisionConfig(TransformerConfig):
    """The vision transformer."""

    patch: int  # pixels a side of what one token sees
    size: int = 224  # pixels a side of the picture

    @property
    def tokens(self) -> int:
        """One for each patch, and one for the whole picture."""
        return (self.size // self.patch) ** 2 + 1


@dataclass(frozen=True)
class Config:
    """A whole CLIP."""

    text: TextConfig
    vision: VisionConfig
    width: int  # of the embeddings that are compared
    end: int | None  # the token whose state stands for the text; None: the one of the largest id
    mean: Colour = (0.48145466, 0.4578275, 0.40821073)  # of pixels in [0, 1], which are normalised
    std: Colour = (0.26862954, 0.26130258, 0.27577711)
