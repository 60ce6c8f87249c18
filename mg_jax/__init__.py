"""Motion guidance: edit a photo by saying where its pixels should go."""

from mg_jax.editing import Result, edit
from mg_jax.models.internal.settings import Settings

__all__ = ["Result", "Settings", "edit"]
