"""Laws of flow geometry; parity with PyTorch is in tests/reference."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flows import geometry

sample = jax.jit(geometry.sample)
warp = jax.jit(geometry.warp)
splat = jax.jit(geometry.splat)
occlusion_mask = jax.jit(geometry.occlusion_mask)
compose = jax.jit(geometry.compose)
invert = jax.jit(geometry.invert, static_argnums=1)

H, W = 17, 23


def random(*shape, seed=0, scale=1.0):
    return jnp.asarray(np.random.default_rng(seed).normal(0, scale, shape).astype(np.float32))


def constant(dx, dy, height=H, width=W):
    return jnp.broadcast_to(jnp.array([dx, dy], jnp.float32), (height, width, 2))


def smooth(seed=0, amplitude=1.5):
    """A smooth flow that comes to rest at the picture's border."""
    y, x = np.mgrid[:H, :W]
    fade = np.sin(np.pi * x / (W - 1)) * np.sin(np.pi * y / (H - 1))
    a, b = np.random.default_rng(seed).uniform(-amplitude, amplitude, 2)
    return jnp.asarray(np.stack([a * fade, b * fade], -1).astype(np.float32))


def test_the_grid_counts_x_to_the_right_and_y_down():
    points = np.asarray(geometry.grid(3, 4))
    assert points.shape == (3, 4, 2)
    np.testing.assert_array_equal(points[2, 1], [1, 2])


def test_sampling_on_the_grid_returns_the_image():
    image = random(H, W, 3)
    np.testing.assert_array_equal(sample(image, geometry.grid(H, W)), image)


def test_sampling_between_two_pixels_is_their_mean():
    image = random(H, W, 3)
    half = sample(image, jnp.array([[4.5, 6.0]]))[0]
    np.testing.assert_allclose(half, (image[6, 4] + image[6, 5]) / 2, rtol=1e-6)


@pytest.mark.parametrize("fold", [-3, -1, 1, 4])
def test_sampling_is_periodic_beyond_two_mirrors(fold):
    image = random(H, W, 3)
    points = jnp.array([[3.25, 5.5], [20.75, 0.25]])
    period = jnp.array([[2.0 * (W - 1), 2.0 * (H - 1)]])
    np.testing.assert_allclose(
        sample(image, points + fold * period), sample(image, points), atol=2e-5
    )
    np.testing.assert_allclose(sample(image, -points), sample(image, points), atol=1e-6)


def test_an_image_of_one_pixel_is_the_same_everywhere():
    image = random(1, 1, 3)
    np.testing.assert_array_equal(sample(image, jnp.array([[7.5, -2.0]]))[0], image[0, 0])


def test_a_point_that_is_not_a_number_gives_no_number():
    assert np.isnan(sample(random(H, W, 3), jnp.array([[jnp.nan, 1.0]]))).all()


@pytest.mark.parametrize(("dx", "dy"), [(3, 0), (0, -4), (-5, 2)])
def test_warping_by_whole_pixels_is_a_roll_inside(dx, dy):
    image = random(H, W, 3)
    moved = np.asarray(warp(image, constant(dx, dy)))
    rolled = np.roll(np.asarray(image), (-dy, -dx), axis=(0, 1))
    rows, columns = slice(max(0, -dy), H - max(0, dy)), slice(max(0, -dx), W - max(0, dx))
    np.testing.assert_array_equal(moved[rows, columns], rolled[rows, columns])


def test_a_constant_image_stays_constant_under_any_warp():
    image = jnp.full((H, W, 3), 0.625)
    np.testing.assert_allclose(warp(image, random(H, W, 2, scale=30)), image, atol=1e-6)


def test_warping_follows_the_direction_of_the_flow():
    ramp = geometry.grid(H, W)
    flow = smooth()
    np.testing.assert_allclose(warp(ramp, flow), geometry.targets(flow), atol=1e-5)


def test_splatting_keeps_the_mass_of_what_stays_inside():
    image = random(H, W, 3)
    total, weights = splat(image, smooth(amplitude=0.9))
    np.testing.assert_allclose(total.sum((0, 1)), image.sum((0, 1)), atol=2e-4)
    np.testing.assert_allclose(weights.sum(), H * W, rtol=1e-6)


def test_splatting_whole_pixels_moves_them_and_loses_the_rest():
    image = random(H, W, 3)
    total, weights = splat(image, constant(4, -3))
    np.testing.assert_array_equal(total[: H - 3, 4:], image[3:, : W - 4])
    assert not weights[:, :4].any()
    assert not weights[H - 3 :].any()


def test_splatting_is_the_transpose_of_sampling():
    image, other = random(H, W, 3), random(H, W, 3, seed=1)
    flow = smooth(amplitude=3)  # stays inside, where sampling mirrors nothing
    total, _ = splat(image, flow)
    np.testing.assert_allclose(
        jnp.vdot(total, other), jnp.vdot(image, warp(other, flow)), rtol=1e-4
    )


def test_splatting_has_the_derivative_of_its_differences():
    image, other, flow = random(H, W, 3), random(H, W, 3, seed=1), random(H, W, 2, seed=2)
    direction = random(H, W, 2, seed=3)

    def score(flow):
        total, weights = splat(image, flow)
        return jnp.vdot(total, other) + jnp.vdot(weights, other[..., 0])

    slope = jnp.vdot(jax.grad(score)(flow), direction)
    step = 1e-3
    difference = (score(flow + step * direction) - score(flow - step * direction)) / (2 * step)
    np.testing.assert_allclose(slope, difference, rtol=0.05)


def test_nothing_is_occluded_where_nothing_moves():
    assert occlusion_mask(jnp.zeros((H, W, 2))).all()


def test_a_moved_block_occludes_exactly_the_resting_pixels_it_lands_on():
    flow = np.zeros((H, W, 2), np.float32)
    flow[4:9, 3:8] = [3, 2]
    landed = np.zeros((H, W), bool)
    landed[6:11, 6:11] = True
    moving = flow.any(-1)
    np.testing.assert_array_equal(occlusion_mask(jnp.asarray(flow)), ~(landed & ~moving))


def test_one_component_is_enough_to_occlude():
    flow = np.zeros((H, W, 2), np.float32)
    flow[2, 2] = [0, 5]
    assert not occlusion_mask(jnp.asarray(flow))[7, 2]


def test_composing_translations_adds_them():
    np.testing.assert_allclose(compose(constant(2.5, -1), constant(-4, 3.5)), constant(-1.5, 2.5))


def test_rest_is_neutral_in_composition():
    flow = smooth()
    np.testing.assert_array_equal(compose(flow, jnp.zeros_like(flow)), flow)
    np.testing.assert_allclose(compose(jnp.zeros_like(flow), flow), flow, atol=1e-6)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_flow_composed_with_its_inverse_is_rest(seed):
    flow = smooth(seed)
    inverse = invert(flow, 50)
    np.testing.assert_allclose(compose(inverse, flow), jnp.zeros_like(flow), atol=1e-5)
    # The other way round reads the inverse between its pixels, so bilinearity limits it.
    np.testing.assert_allclose(compose(flow, inverse), jnp.zeros_like(flow), atol=0.03)


def test_inverting_a_translation_turns_it_round():
    np.testing.assert_array_equal(invert(constant(7.5, -3), 3), constant(-7.5, 3))


def test_warping_maps_over_a_batch():
    images, flows = random(2, H, W, 3), random(2, H, W, 2, seed=1)
    together = jax.vmap(geometry.warp)(images, flows)
    np.testing.assert_allclose(together[1], warp(images[1], flows[1]), atol=1e-6)


FUNCTIONS = {
    "targets": lambda image, flow: geometry.targets(flow),  # noqa: ARG005
    "sample": lambda image, flow: geometry.sample(image, flow),
    "warp": geometry.warp,
    "splat": geometry.splat,
    "occlusion_mask": lambda image, flow: geometry.occlusion_mask(flow),  # noqa: ARG005
    "compose": lambda image, flow: geometry.compose(image[..., :2], flow),
    "invert": lambda image, flow: geometry.invert(flow),  # noqa: ARG005
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_arrays_of_numpy_serve_inside_and_outside_jit(name):
    """As constants of a compiled program, too, where the other array is traced."""
    function = FUNCTIONS[name]
    image, flow = random(H, W, 3), smooth(1)
    expected = jax.tree.leaves(function(image, flow))
    there, moves = np.asarray(image), np.asarray(flow)
    tried = [
        function(there, moves),
        jax.jit(function)(there, moves),
        jax.jit(lambda flow: function(there, flow))(moves),
        jax.jit(lambda image: function(image, moves))(there),
        function(there.astype(np.float64), moves.astype(np.float64)),
    ]
    for found in tried:
        for one, other in zip(jax.tree.leaves(found), expected, strict=True):
            assert isinstance(one, jax.Array)
            np.testing.assert_allclose(one, other, atol=1e-5)


def test_sampling_gathers_once_and_its_gradient_scatters_once():
    """Each costs a TPU a pass over the picture with its channels padded to 128, and a sort."""

    def both(image, flow):
        moved, back = jax.vjp(geometry.warp, image, flow)
        return moved, back(moved)

    program = str(jax.make_jaxpr(both)(random(H, W, 3), smooth()))
    assert program.count(" gather[") == program.count(" scatter-add[") == 1
