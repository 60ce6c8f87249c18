"""The internal denoiser: a diffusion prior made of the photo itself, with no weights to load."""
