"""Blind comparisons of methods by viewers: what they see, the key to it, and what they say."""
