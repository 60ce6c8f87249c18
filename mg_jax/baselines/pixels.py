"""Gradient descent on pixels: the paper's energy without any diffusion model.

Without a prior, the result is whatever the flow network takes for the motion. The pixels are those
of the grid on which edits compute the energy, half the working size. The optimizer is Adam (Kingma
& Ba 2015).
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, UInt8

from flows.interfaces import FlowNetwork
from flows.raft import SMALLEST
from mg_jax import guiding, images
from mg_jax.models.patch.settings import PatchSettings
from mg_jax.types import Energy, Image, Schedule, Target

_STEPS = 100
_RATE = 0.02  # learning rate, for pixels in [-1, 1]
_UNIT = 32  # sides are multiples of it, so that similar photos share compiled programs


def descend(
    photo: UInt8[np.ndarray, "h w 3"],
    flow: Float[np.ndarray, "h w 2"],
    region: Bool[np.ndarray, "h w"],
    network: FlowNetwork,
    settings: PatchSettings,
    steps: int = _STEPS,
) -> tuple[UInt8[np.ndarray, "h w 3"], Float[np.ndarray, " steps"]]:
    """Change the edit region by gradient steps that lower the energy, starting from the photo.

    Returns:
        The picture, its edit region enlarged from the energy's grid; and the energy before each
        step.
    """
    shape = images.grid_shape(region.shape, settings.size // 2, _UNIT, SMALLEST)
    source = jnp.asarray(images.box(images.to_float(photo), shape))[None]
    size = round((shape[0] * shape[1]) ** 0.5)
    target = guiding.target(source, flow, size, settings, network.params, guiding.features(network))
    inside = jnp.asarray(images.box(region[..., None].astype(np.float32), shape))[None]
    run = _program(guiding.energy(network, settings.oracle_flow), steps)
    picture, energies = run(network.params, target, inside)
    magnified = images.to_uint8(images.resize(np.asarray(picture)[0], *region.shape))
    return np.where(region[..., None], magnified, photo), np.asarray(energies)


def _clean() -> Schedule:
    """The schedule's row for an image without noise."""
    one = jnp.float32(1)
    return Schedule(jnp.int32(0), jnp.float32(0), one, one, one)


@functools.cache
def _program(energy: Energy, steps: int) -> Callable[..., tuple[Image, Float[Array, " steps"]]]:
    optimizer = optax.adam(_RATE)

    def run(
        params: object, target: Target, inside: Float[Array, "1 h w 1"]
    ) -> tuple[Image, Float[Array, " steps"]]:
        def total(picture: Image) -> Float[Array, ""]:
            return jnp.sum(energy(params, target, picture, _clean())[0])

        def step(
            carry: tuple[Image, optax.OptState], _: None
        ) -> tuple[tuple[Image, optax.OptState], Float[Array, ""]]:
            picture, memory = carry
            value, slope = jax.value_and_grad(total)(picture)
            with jax.numpy_dtype_promotion("standard"):  # optax mixes its step count with floats
                change, memory = optimizer.update(inside * slope, memory)
            return (jnp.clip(picture + inside * change, -1, 1), memory), value

        start = (target.source, optimizer.init(target.source))
        (picture, _), values = jax.lax.scan(step, start, length=steps)
        return picture, values

    return jax.jit(run)
