"""Latent diffusion (Rombach et al. 2022): the networks of Stable Diffusion 1.x and 2.x."""
