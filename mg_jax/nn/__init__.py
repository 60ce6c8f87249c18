"""Layers that several networks share: attention, transformers, normalisation, recomputation."""
