"""Architectures as data: Stable Diffusion 1.x, 2.x, and a tiny one for tests."""

from dataclasses import dataclass
from typing import Literal

from mg_jax.models.text.config import TextConfig

Prediction = Literal["epsilon", "v_prediction"]


@dataclass(frozen=True)
class UNetConfig:
    """The denoiser's UNet; each level's grid is half as wide as that of the level before."""

    channels: tuple[int, ...]  # of each level
    heads: tuple[int, ...]  # attention heads of each level
    attention: tuple[bool, ...]  # whether a level has transformers
    context: int  # width of the text embeddings
    latent: int = 4
    layers: int = 2  # residual blocks of a level on the way down; one more on the way up
    groups: int = 32  # of group normalisation


@dataclass(frozen=True)
class VAEConfig:
    """The autoencoder between images and latents; with four levels latents are 1/8 as wide."""

    channels: tuple[int, ...]
    latent: int = 4
    layers: int = 2
    groups: int = 32
    scale: float = 0.18215  # latents are multiplied by it, to about unit variance

    @property
    def factor(self) -> int:
        """Image pixels along a side of one latent."""
        return 1 << (len(self.channels) - 1)


@dataclass(frozen=True)
class Config:
    """A complete Stable Diffusion."""

    unet: UNetConfig
    vae: VAEConfig
    text: TextConfig
    prediction: Prediction  # what the UNet's output means


_VAE = VAEConfig(channels=(128, 256, 512, 512))
_CHANNELS = (320, 640, 1280, 1280)
_ATTENTION = (True, True, True, False)

V1 = Config(
    UNetConfig(_CHANNELS, heads=(8, 8, 8, 8), attention=_ATTENTION, context=768),
    _VAE,
    TextConfig(width=768, layers=12, heads=12, hidden=3072, activation="quick_gelu"),
    prediction="epsilon",
)

# 2.x leaves out the last of OpenCLIP's 24 text layers. The -base models predict epsilon, the
# 768-pixel ones v.
V2 = Config(
    UNetConfig(_CHANNELS, heads=(5, 10, 20, 20), attention=_ATTENTION, context=1024),
    _VAE,
    TextConfig(width=1024, layers=23, heads=16, hidden=4096, activation="gelu"),
    prediction="v_prediction",
)

TINY = Config(
    UNetConfig((32, 64), heads=(2, 4), attention=(True, False), context=32, layers=1, groups=8),
    VAEConfig(channels=(16, 16, 32, 32), layers=1, groups=8),
    TextConfig(width=32, layers=2, heads=4, hidden=64, activation="quick_gelu", vocabulary=512),
    prediction="epsilon",
)
