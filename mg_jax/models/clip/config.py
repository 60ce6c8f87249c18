"""CLIP's architecture as data, and how pictures and texts are prepared for it."""

from dataclasses import dataclass

from mg_jax.models.text.config import TextConfig
from mg_jax.nn.transformer import TransformerConfig

Colour = tuple[float, float, float]
"""Red, green, blue."""


@dataclass(frozen=True)
class VisionConfig(TransformerConfig):
    """The vision transformer."""

    patch: int  # side of a token's patch, pixels
    size: int = 224  # side of the picture, pixels

    @property
    def tokens(self) -> int:
        """Number of tokens: one for each patch, and one for the whole picture."""
        return (self.size // self.patch) ** 2 + 1


@dataclass(frozen=True)
class Config:
    """A whole CLIP."""

    text: TextConfig
    vision: VisionConfig
    width: int  # of the embeddings that are compared
    end: int | None  # id of the token whose state represents the text; None: the largest id
    mean: Colour = (0.48145466, 0.4578275, 0.40821073)  # normalises pixels in [0, 1]
    std: Colour = (0.26862954, 0.26130258, 0.27577711)
