"""Texts to what networks understand of them: CLIP's tokens and its encoder."""
