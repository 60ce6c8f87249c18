"""Layers that several networks share: for optical flow here, for diffusion in mg_jax."""
