"""Derive sizes from the names and shapes of arrays, where no description says them."""

from collections.abc import Mapping

from mg_jax.checkpoints.arrays import Stored
from mg_jax.models.stable_diffusion.config import VAEConfig

GROUPS = 32
"""Of group normalisation, in every published file."""


def original_vae(given: Mapping[str, Stored], prefix: str) -> VAEConfig:
    """The autoencoder of an original file.

    Raises:
        KeyError, ValueError: as for `sizes`.
    """
    return _vae(given, f"{prefix}encoder.down", "block")


def diffusers_vae(given: Mapping[str, Stored], prefix: str) -> VAEConfig:
    """The autoencoder under diffusers' names; raises as `original_vae` does."""
    return _vae(given, f"{prefix}encoder.down_blocks", "resnets")


def _vae(given: Mapping[str, Stored], start: str, blocks: str) -> VAEConfig:
    levels = max(count(given, f"{start}.{{}}."), 1)
    return VAEConfig(
        tuple(sizes(given, f"{start}.{i}.{blocks}.0.conv2.weight", 4)[0] for i in range(levels)),
        layers=count(given, f"{start}.0.{blocks}.{{}}."),
        groups=GROUPS,
    )


def sizes(given: Mapping[str, Stored], name: str, axes: int = 2) -> tuple[int, ...]:
    """An array's shape.

    Raises:
        KeyError: there is no such array.
        ValueError: it has another number of axes, or is empty; one line.
    """
    shape = given[name].shape
    if len(shape) != axes or not all(shape):
        raise ValueError(f"{name}: shape {shape}, expected {axes} axes")
    return shape


def count(given: Mapping[str, Stored], prefix: str, first: int = 0) -> int:
    """Count the consecutive numbers, from `first` on, whose prefix has arrays."""
    number = first
    while any(name.startswith(prefix.format(number)) for name in given):
        number += 1
    return number - first
