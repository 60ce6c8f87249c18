"""Softmax attention, in the form that is fastest on the platform at hand."""

from mg_jax.nn.attention.dispatch import attend

__all__ = ["attend"]
