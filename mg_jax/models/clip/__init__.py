"""CLIP (Radford et al. 2021, arXiv 2103.00020): how well a picture fits a text.

scorer = clip.load("clip-vit-large-patch14")
score = clip.similarity(scorer, picture, "an apple on a wooden table")
"""

from mg_jax.models.clip.config import Config, VisionConfig
from mg_jax.models.clip.loading import load
from mg_jax.models.clip.scoring import Clip, embed_image, embed_text, similarity

__all__ = [
    "Clip",
    "Config",
    "VisionConfig",
    "embed_image",
    "embed_text",
    "load",
    "similarity",
]
