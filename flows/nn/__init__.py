"""What networks of several kinds compute with: of optical flow here, of diffusion in mg_jax."""
