"""Diffusion models that can be guided, text encoders for prompts, and CLIP for scores."""
