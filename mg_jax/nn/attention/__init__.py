"""Softmax attention, in the form that is fast where it runs."""

from mg_jax.nn.attention.dispatch import attend

__all__ = ["attend"]
