"""Latent diffusion (Rombach et al. 2022): the networks of Stable Diffusion 1.x and 2.x."""

from mg_jax.models.stable_diffusion.random_weights import tiny

__all__ = ["tiny"]
