"""How well a picture fits a text: the cosine of the angle between their embeddings."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float32, UInt8

from mg_jax.checkpoints.parts import Params
from mg_jax.models.clip.config import Config
from mg_jax.models.clip.network import programs
from mg_jax.models.clip.preparing import prepare
from mg_jax.models.text.tokenizer import Tokenizer


@dataclass(frozen=True, eq=False)
class Clip:
    """Configuration, parameters and tokenizer."""

    config: Config
    params: Params
    tokenizer: Tokenizer


def similarity(clip: Clip, image: UInt8[np.ndarray, "h w 3"], text: str) -> float:
    """Cosine between a picture's and a text's embedding, in [−1, 1]; computed in float32.

    Only the middle square of a picture is used. A text is cut to 75 tokens, with a warning. Raises
    ValueError when the text is not valid Unicode.
    """
    cosine = np.vdot(embed_image(clip, image), embed_text(clip, text))
    return float(np.clip(cosine, -1, 1))


def embed_image(clip: Clip, image: UInt8[np.ndarray, "h w 3"]) -> Float32[np.ndarray, " d"]:
    """Embed a picture of any size as a vector of unit length."""
    pixels = jnp.asarray(prepare(image, clip.config))[None]
    embedding: np.ndarray = np.asarray(programs(clip.config).embed_image(clip.params, pixels))[0]
    return embedding


def embed_text(clip: Clip, text: str) -> Float32[np.ndarray, " d"]:
    """Embed a text as a vector of unit length. Warns and raises as `similarity`."""
    tokens = jnp.asarray(clip.tokenizer.encode([text]))
    embedding: np.ndarray = np.asarray(programs(clip.config).embed_text(clip.params, tokens))[0]
    return embedding
