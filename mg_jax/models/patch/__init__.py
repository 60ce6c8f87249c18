"""The patch model: a diffusion prior made of the photo itself, with no weights to load."""
