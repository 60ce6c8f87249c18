"""Geometry of flows on the pixel grid: sampling, warping, splatting, composing, inverting.

Everything here is unbatched, pure and differentiable: map it over a batch with `jax.vmap`. It takes
arrays of NumPy and of JAX, inside and outside `jax.jit`.
A pixel's centre has whole-numbered coordinates (x, y); x points right, y points down.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

Arrays = Array | np.ndarray


def grid(height: int, width: int) -> Float[Array, "{height} {width} 2"]:
    """Coordinates (x, y) of every pixel, in pixels."""
    y, x = jnp.meshgrid(
        jnp.arange(height, dtype=jnp.float32), jnp.arange(width, dtype=jnp.float32), indexing="ij"
    )
    return jnp.stack([x, y], axis=-1)


def targets(flow: Float[Arrays, "h w 2"]) -> Float[Array, "h w 2"]:
    """Where each pixel goes: its own coordinates (x, y) plus its flow, in pixels."""
    flow = jnp.asarray(flow)
    height, width, _ = flow.shape
    return grid(height, width).astype(flow.dtype) + flow


def _reflect(coordinate: Float[Array, "*points"], size: int) -> Float[Array, "*points"]:
    """Fold a coordinate into [0, size − 1], mirroring at the outermost pixel centres.

    The derivative is ±1 between the centres and 0 on the outermost ones, as in PyTorch's
    `grid_sample`: the image has a kink there.
    """
    last = float(size - 1)
    if size == 1:
        return jnp.zeros_like(coordinate) * coordinate  # keeps NaN, has no slope
    folded = jnp.mod(jnp.abs(coordinate), 2.0 * last)
    folded = jnp.where(folded > last, 2.0 * last - folded, folded)
    edge = (folded <= 0.0) | (folded >= last)
    return jnp.where(edge, jax.lax.stop_gradient(folded), folded)


def sample(
    image: Float[Arrays, "h w c"], points: Float[Arrays, "*points 2"]
) -> Float[Array, "*points c"]:
    """Sample an image at any points: bilinear, mirrored beyond the outermost pixel centres.

    Equals PyTorch's `grid_sample(mode="bilinear", padding_mode="reflection",
    align_corners=True)` in value and in both gradients, however far outside a point lies.

    Args:
        image: any channels.
        points: coordinates (x, y) in pixels.
    """
    image, points = jnp.asarray(image), jnp.asarray(points)
    height, width, channels = image.shape
    x = _reflect(points[..., 0], width)
    y = _reflect(points[..., 1], height)
    left, top = jnp.floor(x), jnp.floor(y)
    right_weight, low_weight = (x - left)[..., None], (y - top)[..., None]
    # All four neighbours in one gather, whose transpose is one scatter: on TPUs both cost the same
    # for 12 channels as for 3.
    place = top.astype(jnp.int32) * width + left.astype(jnp.int32)
    near = _with_neighbours(image).reshape(height * width, 4 * channels)
    found = near.at[place].get(mode="clip", wrap_negative_indices=False)
    upper_left, upper_right, lower_left, lower_right = jnp.split(found, 4, axis=-1)
    upper = upper_left * (1 - right_weight) + upper_right * right_weight
    lower = lower_left * (1 - right_weight) + lower_right * right_weight
    return upper * (1 - low_weight) + lower * low_weight


def _with_neighbours(image: Float[Array, "h w c"]) -> Float[Array, "h w 4*c"]:
    """Beside each pixel's channels those of the pixel to the right, below, and below on the right.

    On the last pixel the neighbour's weight is 0, whichever pixel stands in for it: here itself.
    """
    row = jnp.concatenate([image, jnp.concatenate([image[:, 1:], image[:, -1:]], 1)], -1)
    return jnp.concatenate([row, jnp.concatenate([row[1:], row[-1:]], 0)], -1)


def warp(image: Float[Arrays, "h w c"], flow: Float[Arrays, "h w 2"]) -> Float[Array, "h w c"]:
    """Backward warp: the image sampled at p + flow(p).

    Undoes the motion: if `image` is the moved picture, the result is aligned with the source.
    """
    return sample(image, targets(flow))


def splat(
    image: Float[Arrays, "h w c"], flow: Float[Arrays, "h w 2"]
) -> tuple[Float[Array, "h w c"], Float[Array, "h w"]]:
    """Forward warp: add every pixel to the four around p + flow(p), with bilinear weights.

    What falls outside the picture is lost. Divide the sum by the weights, where these are
    positive, for the mean of what landed on a pixel.

    Returns:
        At each pixel of the result the weighted sum of the values, and the sum of the weights.
    """
    image = jnp.asarray(image)
    height, width, _ = image.shape
    goal = targets(flow)
    corner = jnp.floor(goal)
    right, down = jnp.moveaxis(goal - corner, -1, 0)
    shares = (
        (0, 0, (1 - right) * (1 - down)),
        (1, 0, right * (1 - down)),
        (0, 1, (1 - right) * down),
        (1, 1, right * down),
    )
    total = jnp.zeros_like(image)
    weights = jnp.zeros((height, width), image.dtype)
    for step_x, step_y, share in shares:
        x, y = corner[..., 0] + step_x, corner[..., 1] + step_y
        inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
        share = jnp.where(inside, share, 0).astype(image.dtype)
        # A negative index would wrap round, so points outside go to pixel 0 with weight 0.
        row = jnp.where(inside, y, 0).astype(jnp.int32)
        column = jnp.where(inside, x, 0).astype(jnp.int32)
        total = total.at[row, column].add(share[..., None] * image)
        weights = weights.at[row, column].add(share)
    return total, weights


def occlusion_mask(flow: Float[Arrays, "h w 2"]) -> Bool[Array, "h w"]:
    """Which source pixels the colour loss may use: False where moved content will cover them.

    Motion Guidance's rule: the gradient of Σ warp(f, f)·(f ≠ warp(f, f)) with respect to f is
    non-zero on pixels that something lands on; these are left out, unless they move themselves
    (f ≠ 0). At a pixel at rest f = warp(f, f), so the sampling positions contribute no gradient,
    and the transpose of the sampling is all that is needed.

    The reference computes in normalised coordinates, whose rounding errors (some 1e-5 pixels) also
    mark pixels that only touch the moved content; here coordinates are exact.
    """
    flow = jnp.asarray(flow)
    points = targets(flow)
    seen, send_back = jax.vjp(lambda values: sample(values, points), flow)
    (received,) = send_back((seen != flow).astype(flow.dtype))
    covered = jnp.any(received != 0, axis=-1)
    moves = jnp.any(flow != 0, axis=-1)
    return moves | ~covered


def compose(first: Float[Arrays, "h w 2"], second: Float[Arrays, "h w 2"]) -> Float[Array, "h w 2"]:
    """The flow of `first` followed by `second`: f(p) + g(p + f(p)).

    Where `first` leaves the picture, `second` has no values and is mirrored.
    """
    return jnp.asarray(first) + warp(second, first)


def invert(flow: Float[Arrays, "h w 2"], iterations: int = 50) -> Float[Array, "h w 2"]:
    """Find the flow that undoes `flow`: g with g(q) = −f(q + g(q)), by fixed-point iteration.

    Valid where neighbouring pixels move alike: the iteration shrinks its error by the flow's
    steepest slope (largest singular value of its Jacobian, in pixels per pixel) each time, so it
    converges for slopes below 1: rotations below 60°, scalings below 2. Where the flow tears
    (an object's edge) or content comes from outside the picture, there is no inverse and the
    values are meaningless.
    """
    flow = jnp.asarray(flow)
    inverse: Array = jax.lax.fori_loop(
        0, iterations, lambda _, guess: -warp(flow, guess), jnp.zeros_like(flow)
    )
    return inverse
