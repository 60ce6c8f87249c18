"""Sampling and the occlusion mask against PyTorch's grid_sample and its gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from flows import geometry


def grid_sample(image, points):
    """PyTorch's reading of an image [b c h w] at pixel coordinates [b p q 2]."""
    last = torch.tensor([image.shape[3] - 1, image.shape[2] - 1], dtype=points.dtype)
    return torch.nn.functional.grid_sample(
        image, 2 * points / last - 1, mode="bilinear", padding_mode="reflection", align_corners=True
    )


def points_everywhere(h, w, kind):
    rng = np.random.default_rng(3)
    if kind == "inside":
        points = rng.uniform(0, [w - 1, h - 1], (11, 13, 2))
    elif kind == "just outside":
        points = rng.uniform([-3, -3], [w + 2, h + 2], (11, 13, 2))
    elif kind == "many folds outside":
        points = rng.uniform([-7 * w, -7 * h], [8 * w, 8 * h], (11, 13, 2))
    else:  # whole pixels, the border and its mirror images among them
        points = rng.integers([-3 * w, -3 * h], [3 * w, 3 * h], (11, 13, 2))
    return points.astype(np.float64)


# PyTorch normalises coordinates to [-1, 1] and back. With one pixel more than a power of two that
# is exact, so that kinks (whole pixels) are met by both sides; elsewhere double precision is the
# better oracle.
@pytest.mark.parametrize("kind", ["inside", "just outside", "many folds outside", "whole pixels"])
@pytest.mark.parametrize(("h", "w"), [(17, 33), (65, 9)])
def test_sampling_and_both_gradients_equal_grid_sample(kind, h, w):
    rng = np.random.default_rng(0)
    image = rng.normal(size=(h, w, 3)).astype(np.float32)
    points = np.round(points_everywhere(h, w, kind) * 64) / 64  # exact in float32
    cotangent = rng.normal(size=(11, 13, 3)).astype(np.float32)

    their_image = torch.tensor(image.transpose(2, 0, 1)[None], dtype=torch.float64)
    their_points = torch.tensor(points[None])
    their_image.requires_grad_()
    their_points.requires_grad_()
    theirs = grid_sample(their_image, their_points)
    theirs.backward(torch.tensor(cotangent.transpose(2, 0, 1)[None], dtype=torch.float64))

    ours, pull = jax.vjp(geometry.sample, jnp.asarray(image), jnp.asarray(points, jnp.float32))
    our_image, our_points = pull(jnp.asarray(cotangent))

    np.testing.assert_allclose(ours, theirs[0].detach().permute(1, 2, 0), atol=1e-5)
    np.testing.assert_allclose(our_image, their_image.grad[0].permute(1, 2, 0), atol=1e-5)
    np.testing.assert_allclose(our_points, their_points.grad[0], atol=1e-5)


def reference_warp(image, flow):
    h, w = flow.shape[2:]
    y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    return grid_sample(image, (flow + torch.stack([x, y]).to(flow)).permute(0, 2, 3, 1))


def reference_mask(flow):
    """The rule written out: by differentiating the whole expression."""
    flow = torch.tensor(flow.transpose(2, 0, 1)[None], requires_grad=True)
    warped = reference_warp(flow, flow)
    (gradient,) = torch.autograd.grad((warped * (flow != warped)).sum(), flow)
    covered = (gradient != 0).any(1)
    moves = (flow.detach() != 0).any(1)
    return (moves | ~covered)[0].numpy()


def moving_disc(n, motion):
    y, x = np.mgrid[:n, :n]
    disc = (x - 0.35 * n) ** 2 + (y - 0.5 * n) ** 2 < (0.2 * n) ** 2
    displacement = {
        "whole pixels": (n // 4, 3.0),
        "fractions": (n / 4 + 0.3, -2.7),
        "out of the picture": (-0.4 * n, 0.45 * n),
        "turning": np.stack([-0.3 * (y - n / 2), 0.3 * (x - 0.3 * n)], -1),
    }[motion]
    return np.where(disc[..., None], displacement, 0).astype(np.float32)


@pytest.mark.parametrize("motion", ["whole pixels", "fractions", "out of the picture", "turning"])
def test_the_occlusion_mask_is_the_references(motion):
    flow = moving_disc(65, motion)
    np.testing.assert_array_equal(geometry.occlusion_mask(jnp.asarray(flow)), reference_mask(flow))


@pytest.mark.parametrize("motion", ["whole pixels", "fractions", "turning"])
def test_at_512_pixels_only_the_references_rounding_differs(motion):
    """Its rounding of coordinates masks a few more pixels, all touching the moved content."""
    flow = moving_disc(512, motion)
    ours, theirs = np.asarray(geometry.occlusion_mask(jnp.asarray(flow))), reference_mask(flow)
    assert not (theirs & ~ours).any()
    assert (ours & ~theirs).mean() < 5e-4
