"""The ruler: how far an edit is from the motion asked for, and what else it changed."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Float32, UInt8

from flows import masks
from flows.geometry import occlusion_mask, warp
from flows.raft import SMALLEST, Params, Raft
from mg_jax import images

JUDGING_UPDATES = 12
# RAFT's memory grows with the square of the area: larger pictures are measured at this area.
LARGEST_AREA = 768 * 768


def flow_between(
    raft: Raft, source: UInt8[np.ndarray, "h w 3"], result: UInt8[np.ndarray, "h w 3"]
) -> Float32[np.ndarray, "h w 2"]:
    """F(source, result) by the judge, 12 updates, in pixels of the pictures' size.

    Pictures above 768² pixels, or with a side below 128, are measured at a size within these.
    """
    height, width, _ = source.shape
    shrink = min(1.0, (LARGEST_AREA / (height * width)) ** 0.5)
    h, w = (max(SMALLEST, round(side * shrink)) for side in (height, width))
    pair = [
        jnp.asarray(images.to_float(images.resize(picture, h, w)))[None]
        for picture in (source, result)
    ]
    flow: np.ndarray = np.asarray(_program(raft)(raft.params, *pair))[0]
    if (h, w) == (height, width):
        return flow
    scaled = flow * np.array([width / w, height / h], np.float32)
    return images.resize(scaled, height, width)


def measure(
    source: UInt8[np.ndarray, "h w 3"],
    result: UInt8[np.ndarray, "h w 3"],
    flow: Float[np.ndarray, "h w 2"],
    region: Bool[np.ndarray, "h w"],
    estimate: Float[np.ndarray, "h w 2"],
) -> dict[str, float]:
    """Score a result against the flow asked for; `estimate` is the judge's F(source, result).

    flow_l1_px: mean |estimate − flow| over all pixels and both components.
    flow_epe_moved_px: mean end-point error on moved pixels.
    color_l1: mean |source − warp(result, flow)| where the target lies inside the picture, [0, 1].
    color_l1_moved: the same on moved pixels (the paper's occlusion mask uses them all).
    color_l1_visible: the same on the pixels that the paper's occlusion mask uses.
    background_l1: mean |source − result| outside source ∪ destination of the motion, widened 3x3.
    kept_l1: the same outside the edit region.

    A mean over no pixel is 0.
    """
    height, width, _ = flow.shape
    moved = masks.moving(flow)
    visible = np.asarray(_visible(jnp.asarray(flow, jnp.float32)))
    y, x = np.mgrid[:height, :width]
    goal = np.stack([x, y], axis=-1) + flow
    inside = ((goal >= 0) & (goal <= np.array([width - 1, height - 1]))).all(axis=-1)
    before, after = source.astype(np.float32) / 255, result.astype(np.float32) / 255
    back = np.asarray(_warp(jnp.asarray(after), jnp.asarray(flow, jnp.float32)))
    colors = np.abs(before - back).mean(axis=-1)
    changes = np.abs(before - after).mean(axis=-1)
    return {
        "flow_l1_px": float(np.abs(estimate - flow).mean()),
        "flow_epe_moved_px": _mean(np.linalg.norm(estimate - flow, axis=-1), moved),
        "color_l1": _mean(colors, inside),
        "color_l1_moved": _mean(colors, inside & moved),
        "color_l1_visible": _mean(colors, inside & visible),
        "background_l1": _mean(changes, masks.background(flow)),
        "kept_l1": _mean(changes, ~region),
    }


def _mean(values: Float[np.ndarray, "h w"], where: Bool[np.ndarray, "h w"]) -> float:
    return float(values[where].mean()) if where.any() else 0.0


_warp = jax.jit(warp)
_visible = jax.jit(occlusion_mask)


@functools.cache
def _program(
    raft: Raft,
) -> Callable[[Params, Float[Array, "b h w 3"], Float[Array, "b h w 3"]], Float[Array, "b h w 2"]]:
    return jax.jit(functools.partial(raft.flow, updates=JUDGING_UPDATES))
