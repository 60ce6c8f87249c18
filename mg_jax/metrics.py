"""Metrics of an edit: how far it is from the motion asked for, and what else it changed.

The result's motion is estimated by a flow network, the judge. It has limits: it cannot find a half
turn or a mirror image, even in a perfect picture. Which pixels it can judge is determined from
photo and motion alone; if it can judge too few of them, the flow's errors are None.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from flows import fitting
from flows.calling import compiled_flow
from flows.geometry import warp
from flows.interfaces import FlowNetwork
from flows.motion import Motion
from flows.raft import SMALLEST
from mg_jax import filling, images

JUDGING_UPDATES = 12
# RAFT's memory grows with the square of the area: larger pictures are measured at this area.
LARGEST_AREA = 768 * 768

# An estimate counts as right within the bound of the KITTI benchmark (Menze & Geiger, CVPR 2015),
# and within half of the motion: otherwise an estimate of 0 would be right for motions of 3 pixels.
_PIXELS, _SHARE, _HALF = 3.0, 0.05, 0.5
# Share of the moved pixels that a judge must be able to judge; with fewer, flow errors are None.
_ENOUGH = 0.5


def flow_between(
    judge: FlowNetwork, source: UInt8[np.ndarray, "h w 3"], result: UInt8[np.ndarray, "h w 3"]
) -> Float32[np.ndarray, "h w 2"]:
    """Estimate the flow from source to result by the judge, 12 updates; in the pictures' pixels.

    Pictures of more than 768² pixels are shrunk first, sides of fewer than 128 pixels enlarged.
    """
    height, width, _ = source.shape
    h, w = _size_judged(height, width)
    pair = [
        jnp.asarray(images.to_float(images.resize(picture, h, w)))[None]
        for picture in (source, result)
    ]
    flow: np.ndarray = np.asarray(compiled_flow(judge, judge.params, *pair, JUDGING_UPDATES))[0]
    if (h, w) == (height, width):
        return flow
    # Bicubic, unlike `flows.fitting`: an estimate changes gradually across edges.
    scaled = flow * np.array([width / w, height / h], np.float32)
    return images.resize(scaled, height, width)


def measurable(
    judge: FlowNetwork, source: UInt8[np.ndarray, "h w 3"], motion: Motion
) -> Bool[np.ndarray, "h w"]:
    """Mark the moved pixels whose motion the judge is able to estimate.

    Given the photo warped by the flow itself (holes filled), it must find the flow within 3 pixels
    or 5 %, and within half of the motion. Large pictures are tested at the size at which they are
    measured. The mask depends on photo and flow only, so that no wrong result is excused.
    """
    height, width, _ = source.shape
    h, w = (min(pair) for pair in zip((height, width), _size_judged(height, width), strict=True))
    small = fitting.fit_nearest(motion.flow, h, w)
    photo = images.resize(source, h, w)
    carried_out = filling.carried_out(photo, Motion(small))
    estimate = flow_between(judge, photo, carried_out)
    errors, lengths = (np.linalg.norm(vectors, axis=-1) for vectors in (estimate - small, small))
    right = errors <= np.minimum(np.maximum(_PIXELS, _SHARE * lengths), _HALF * lengths)
    return np.asarray(motion.moving & fitting.nearest(right, height, width))


def measure(
    source: UInt8[np.ndarray, "h w 3"],
    result: UInt8[np.ndarray, "h w 3"],
    motion: Motion,
    region: Bool[np.ndarray, "h w"],
    estimate: Float[np.ndarray, "h w 2"],
    judged: Bool[np.ndarray, "h w"],
) -> dict[str, float | None]:
    """Score a result against the motion asked for; `region` is the edit region.

    `estimate` is the judge's flow from source to result (`flow_between`), `judged` the mask of the
    pixels that it is able to judge (`measurable`).

    flow_l1_px: mean |estimate − flow| over all pixels and both components.
    flow_epe_moved_px: mean end-point error on moved pixels.
    judged_moved: share of the moved pixels that the judge is able to judge. Below one half, the two
        errors above are None, as they would be errors of the judge.
    color_l1: mean |source − warp(result, flow)| where the target lies inside the picture, [0, 1].
    color_l1_moved: the same on moved pixels (the paper's occlusion mask uses them all).
    color_l1_visible: the same on the pixels that the paper's occlusion mask uses.
    background_l1: mean |source − result| outside source ∪ destination of the motion, widened 3x3.
    kept_l1: the same outside the edit region.

    A mean over no pixel is 0.
    """
    flow, moved = motion.flow, motion.moving
    height, width, _ = flow.shape
    y, x = np.mgrid[:height, :width]
    goal = np.stack([x, y], axis=-1) + flow
    inside = ((goal >= 0) & (goal <= np.array([width - 1, height - 1]))).all(axis=-1)
    before, after = source.astype(np.float32) / 255, result.astype(np.float32) / 255
    back = np.asarray(_warp(jnp.asarray(after), jnp.asarray(flow, jnp.float32)))
    colors = np.abs(before - back).mean(axis=-1)
    changes = np.abs(before - after).mean(axis=-1)
    judged_share = _mean(judged.astype(np.float32), moved)
    errors: dict[str, float | None] = {
        "flow_l1_px": float(np.abs(estimate - flow).mean()),
        "flow_epe_moved_px": _mean(np.linalg.norm(estimate - flow, axis=-1), moved),
    }
    return {
        **(errors if judged_share >= _ENOUGH else dict.fromkeys(errors)),
        "judged_moved": judged_share,
        "color_l1": _mean(colors, inside),
        "color_l1_moved": _mean(colors, inside & moved),
        "color_l1_visible": _mean(colors, inside & motion.visible),
        "background_l1": _mean(changes, motion.background),
        "kept_l1": _mean(changes, ~region),
    }


def verdict(scores: Mapping[str, Any]) -> str:
    """Say in one line how far off the flow is, or why it cannot be judged."""
    if scores["flow_l1_px"] is not None:
        return f"flow found is {scores['flow_l1_px']:.2f} px off in the mean"
    return f"flow cannot be judged: the judge sees {scores['judged_moved']:.0%} of it"


def _size_judged(height: int, width: int) -> tuple[int, int]:
    shrink = min(1.0, (LARGEST_AREA / (height * width)) ** 0.5)
    return max(SMALLEST, round(height * shrink)), max(SMALLEST, round(width * shrink))


def _mean(values: Float[np.ndarray, "h w"], where: Bool[np.ndarray, "h w"]) -> float:
    return float(values[where].mean()) if where.any() else 0.0


_warp = jax.jit(warp)
